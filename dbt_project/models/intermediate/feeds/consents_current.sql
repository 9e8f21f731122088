{{ config(tags=['before_scores']) }}

with {{ standing_rows('consents') }},

final as (
    select
        -- ids
        source_system,
        source,
        customer_no as source_customer_id,
        source_record_id,
        source_customer_id as stated_by,
        delivery_id,
        record_no,

        -- strings
        channel,
        purpose,
        state,

        -- booleans
        is_deleted,
        is_orphan,
        is_prospect,

        -- timestamps
        stated_at
    from standing
)

select * from final
