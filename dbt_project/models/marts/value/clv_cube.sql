{{ config(tags=['after_scores']) }}

with clv as (
    select * from {{ ref('customer_clv') }}
),

snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

customers as (
    select * from {{ ref('customers') }}
),

grid as (
    select * from {{ ref('customer_grid') }}
    where as_of = {{ tonight() }}
),

products as (
    select * from {{ ref('customer_products') }}
),

-- Every customer is in one cell, so any slice adds up to the whole.
final as (
    select
        clv.as_of,
        coalesce(grid.tier, 'unknown') as tier,
        cast(extract(year from snapshots.first_order_on) as integer) as cohort_year,
        coalesce(customers.acquisition_channel, 'unknown') as acquisition_channel,
        coalesce(products.top_category, 'unknown') as top_category,
        coalesce(customers.region, 'unknown') as region,
        count(*) as customers,
        cast(sum(snapshots.orders) as bigint) as orders,
        cast(sum(snapshots.net_revenue) as decimal(18, 4)) as net_revenue,
        cast(sum(clv.clv_historic_margin) as decimal(18, 4)) as clv_historic_margin,
        cast(sum(clv.touch_cost + clv.coupon_cost + clv.event_cost + clv.service_cost) as decimal(18, 4)) as costs,
        cast(sum(clv.clv_net) as decimal(18, 4)) as clv_net,
        {{ significant(exact_sum('clv.clv_revenue_formula')) }} as clv_revenue_formula,
        {{ significant(exact_sum('clv.clv_margin_formula')) }} as clv_margin_formula,
        {{ significant(exact_sum('clv.clv_predicted_365d')) }} as clv_predicted_365d
    from clv
    inner join snapshots
        on clv.customer_id = snapshots.customer_id
    inner join customers
        on clv.customer_id = customers.customer_id
    left join grid
        on clv.customer_id = grid.customer_id
    left join products
        on clv.customer_id = products.customer_id
    group by all
)

select * from final
