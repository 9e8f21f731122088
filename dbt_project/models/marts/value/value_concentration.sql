{{ config(tags=['before_scores']) }}

with ranked as (
    select * from {{ ref('customer_value_ranks') }}
),

per_percentile as (
    select
        as_of,
        ranked_by,
        percentile,
        count(*) as customers,
        sum(gross_margin) as gross_margin,
        sum(net_revenue) as net_revenue
    from ranked
    group by as_of, ranked_by, percentile
),

totals as (
    select
        *,
        sum(customers) over (partition by ranked_by order by percentile rows between unbounded preceding and current row) as cum_customers,
        sum(gross_margin) over (partition by ranked_by order by percentile rows between unbounded preceding and current row) as cum_margin,
        sum(net_revenue) over (partition by ranked_by order by percentile rows between unbounded preceding and current row) as cum_revenue,
        sum(gross_margin) over (partition by ranked_by) as all_margin,
        sum(net_revenue) over (partition by ranked_by) as all_revenue
    from per_percentile
),

final as (
    select
        as_of,
        ranked_by,
        percentile,
        cast(cum_customers as bigint) as cum_customers,
        cast(cum_margin as decimal(18, 4)) as cum_margin,
        cast(cum_revenue as decimal(18, 4)) as cum_revenue,
        {{ significant('cast(cum_margin as double) / nullif(cast(all_margin as double), 0)') }} as cum_margin_share,
        {{ significant('cast(cum_revenue as double) / nullif(cast(all_revenue as double), 0)') }} as cum_revenue_share
    from totals
)

select * from final
