{{ config(tags=['before_scores']) }}

with {{ standing_rows('campaign_touches') }},

final as (
    select
        -- ids
        source_system,
        source,
        touch_id,
        campaign_id,
        customer_no as source_customer_id,
        source_record_id,
        delivery_id,
        record_no,

        -- strings
        channel,
        status,

        -- numerics
        cost_amount,

        -- booleans
        is_deleted,
        is_orphan,
        is_prospect,

        -- timestamps
        touched_at
    from standing
)

select * from final
