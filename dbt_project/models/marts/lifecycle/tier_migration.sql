{{ config(tags=['before_scores']) }}

with {{ state_migrations('tier') }},

final as (
    select
        month,
        from_state as from_tier,
        to_state as to_tier,
        cast(customers as bigint) as customers,
        cast(net_revenue_365d as decimal(18, 4)) as net_revenue_365d,
        cast(gross_margin_365d as decimal(18, 4)) as gross_margin_365d,
        share
    from migrations
)

select * from final
