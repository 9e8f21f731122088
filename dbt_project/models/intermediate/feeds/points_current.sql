{{ config(tags=['before_scores']) }}

with {{ standing_rows('points') }},

final as (
    select
        -- ids
        source_system,
        source,
        entry_id,
        customer_no as source_customer_id,
        source_record_id,
        delivery_id,
        record_no,

        -- strings
        reason,

        -- numerics
        delta,

        -- booleans
        is_deleted,
        is_orphan,
        is_prospect,

        -- timestamps
        booked_at,
        expires_at
    from standing
)

select * from final
