with days as (
    select
        coalesce(sum(orders), 0) as orders,
        coalesce(sum(net_revenue), 0) as net_revenue,
        coalesce(sum(gross_margin), 0) as gross_margin,
        coalesce(sum(new_customers), 0) as new_customers,
        coalesce(max_by(active_customers, day), 0) as active_customers
    from {{ ref('kpi_daily') }}
),

orders as (
    select
        count(*) filter (where is_purchase) as orders,
        coalesce(sum(net_amount), 0) as net_revenue,
        coalesce(sum(gross_margin), 0) as gross_margin
    from {{ ref('orders') }}
    where is_valid
),

months as (
    select
        coalesce(sum(new), 0) as new_customers,
        coalesce(max_by(closing, month), 0) as active_customers
    from {{ ref('churn_monthly') }}
)

select
    days.*,
    orders.orders as orders_of_orders,
    orders.net_revenue as net_revenue_of_orders,
    months.active_customers as closing_of_month
from days
cross join orders
cross join months
where days.orders <> orders.orders
    or days.net_revenue <> orders.net_revenue
    or days.gross_margin <> orders.gross_margin
    or days.new_customers <> months.new_customers
    or days.active_customers <> months.active_customers
