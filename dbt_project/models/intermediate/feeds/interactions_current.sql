{{ config(tags=['before_scores']) }}

with {{ standing_rows('interactions') }},

final as (
    select
        -- ids
        source_system,
        source,
        interaction_id,
        customer_no as source_customer_id,
        owner_id,
        source_record_id,
        delivery_id,
        record_no,

        -- strings
        channel,
        direction,
        kind,
        feature,

        -- numerics
        duration_s,
        quantity,

        -- booleans
        is_deleted,
        is_orphan,
        is_prospect,

        -- timestamps
        occurred_at
    from standing
)

select * from final
