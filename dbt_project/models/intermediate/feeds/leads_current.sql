{{ config(tags=['before_scores']) }}

with {{ standing_rows('leads') }},

final as (
    select
        -- ids
        source_system,
        source,
        lead_id,
        converted_customer_id,
        delivery_id,
        record_no,

        -- strings
        name,
        email,
        phone,
        acquisition_channel,
        status,

        -- booleans
        is_deleted,

        -- timestamps
        created_at
    from standing
)

select * from final
