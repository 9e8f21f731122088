{{ config(tags=['before_scores']) }}

with ranked as (
    select * from {{ ref('customer_value_ranks') }}
),

deciles as (
    select
        as_of,
        ranked_by,
        decile,
        count(*) as customers,
        min(value) as lowest_value,
        max(value) as highest_value,
        sum(gross_margin) as gross_margin,
        sum(net_revenue) as net_revenue
    from ranked
    group by as_of, ranked_by, decile
),

final as (
    select
        as_of,
        ranked_by,
        cast(decile as integer) as decile,
        customers,
        lowest_value,
        highest_value,
        cast(gross_margin as decimal(18, 4)) as gross_margin,
        cast(net_revenue as decimal(18, 4)) as net_revenue,
        {{ significant(
            'cast(gross_margin as double) / nullif(cast(sum(gross_margin) over (partition by ranked_by) as double), 0)'
        ) }} as margin_share,
        {{ significant(
            'cast(net_revenue as double) / nullif(cast(sum(net_revenue) over (partition by ranked_by) as double), 0)'
        ) }} as revenue_share
    from deciles
)

select * from final
