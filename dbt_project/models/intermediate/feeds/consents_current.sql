{{ config(tags=['before_scores']) }}

with {{ standing_rows('consents') }},

final as (
    select
        -- ids
        source_system,
        source,
        source_customer_id,
        source_record_id,
        delivery_id,
        record_no,

        -- strings
        channel,
        purpose,
        state,

        -- booleans
        is_deleted,
        is_orphan,

        -- timestamps
        stated_at
    from standing
)

select * from final
