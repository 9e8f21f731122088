with customer_totals as (
    select
        coalesce(sum(orders), 0) as orders,
        coalesce(sum(gross_revenue), 0) as gross_revenue,
        coalesce(sum(refund_amount), 0) as refund_amount,
        coalesce(sum(net_revenue), 0) as net_revenue,
        coalesce(sum(gross_margin), 0) as gross_margin
    from {{ ref('customers') }}
),

order_totals as (
    select
        count(*) filter (where is_purchase) as orders,
        coalesce(sum(net_amount) filter (where kind = 'sale'), 0) as gross_revenue,
        coalesce(sum(net_amount) filter (where kind = 'refund'), 0) as refund_amount,
        coalesce(sum(net_amount), 0) as net_revenue,
        coalesce(sum(gross_margin), 0) as gross_margin
    from {{ ref('orders') }}
    where is_valid and customer_id is not null
)

select
    customer_totals.*,
    order_totals.orders as orders_of_orders,
    order_totals.net_revenue as net_revenue_of_orders
from customer_totals
cross join order_totals
where customer_totals.orders <> order_totals.orders
    or customer_totals.gross_revenue <> order_totals.gross_revenue
    or customer_totals.refund_amount <> order_totals.refund_amount
    or customer_totals.net_revenue <> order_totals.net_revenue
    or customer_totals.gross_margin <> order_totals.gross_margin
