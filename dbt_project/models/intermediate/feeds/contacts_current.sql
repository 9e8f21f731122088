{{ config(tags=['before_scores']) }}

with {{ standing_rows('contacts') }},

final as (
    select
        -- ids
        source_system,
        source,
        contact_id,
        source_customer_id,
        source_record_id,
        delivery_id,
        record_no,

        -- strings
        name,
        email,
        phone,
        title,

        -- booleans
        is_primary,
        is_deleted,
        is_orphan,

        -- timestamps
        left_at
    from standing
)

select * from final
