{{ config(tags=['before_scores']) }}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

ranked as (
    select
        gross_margin,
        net_revenue,
        row_number() over (order by gross_margin desc, customer_id) as place,
        count(*) over () as customers
    from snapshots
),

-- The best p per cent of the customers, rounded down to whole customers.
placed as (
    select
        cast(ceil(place * 100.0 / customers) as integer) as percentile,
        gross_margin,
        net_revenue
    from ranked
),

per_percentile as (
    select
        percentile,
        count(*) as customers,
        sum(gross_margin) as gross_margin,
        sum(net_revenue) as net_revenue
    from placed
    group by percentile
),

totals as (
    select
        *,
        sum(customers) over (order by percentile rows between unbounded preceding and current row) as cum_customers,
        sum(gross_margin) over (order by percentile rows between unbounded preceding and current row) as cum_margin,
        sum(net_revenue) over (order by percentile rows between unbounded preceding and current row) as cum_revenue,
        sum(gross_margin) over () as all_margin,
        sum(net_revenue) over () as all_revenue
    from per_percentile
),

final as (
    select
        {{ tonight() }} as as_of,
        percentile,
        cast(cum_customers as bigint) as cum_customers,
        cast(cum_margin as decimal(18, 4)) as cum_margin,
        {{ significant('cast(cum_margin as double) / nullif(cast(all_margin as double), 0)') }} as cum_margin_share,
        {{ significant('cast(cum_revenue as double) / nullif(cast(all_revenue as double), 0)') }} as cum_revenue_share
    from totals
)

select * from final
