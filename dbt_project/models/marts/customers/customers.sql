{{ config(tags=['before_scores']) }}

with resolved_customers as (
    select * from {{ ref('resolved_customers') }}
),

orders as (
    select * from {{ ref('orders') }}
    where is_valid and customer_id is not null
),

order_totals as (
    select
        customer_id,
        min(ordered_at) filter (where is_purchase) as first_order_at,
        max(ordered_at) filter (where is_purchase) as last_order_at,
        count(*) filter (where is_purchase) as orders,
        coalesce(sum(net_amount) filter (where kind = 'sale'), 0) as gross_revenue,
        coalesce(sum(net_amount) filter (where kind = 'refund'), 0) as refund_amount,
        sum(net_amount) as net_revenue,
        sum(gross_margin) as gross_margin
    from orders
    group by customer_id
),

final as (
    select
        resolved_customers.customer_id,
        resolved_customers.customer_type,
        resolved_customers.country,
        resolved_customers.region,
        resolved_customers.acquisition_channel,
        resolved_customers.owner_id,
        resolved_customers.is_active,
        resolved_customers.created_at,
        order_totals.first_order_at,
        order_totals.last_order_at,
        cast(coalesce(order_totals.orders, 0) as bigint) as orders,
        cast(coalesce(order_totals.gross_revenue, 0) as decimal(18, 4)) as gross_revenue,
        cast(coalesce(order_totals.refund_amount, 0) as decimal(18, 4)) as refund_amount,
        cast(coalesce(order_totals.net_revenue, 0) as decimal(18, 4)) as net_revenue,
        cast(coalesce(order_totals.gross_margin, 0) as decimal(18, 4)) as gross_margin
    from resolved_customers
    left join order_totals
        on resolved_customers.customer_id = order_totals.customer_id
)

select * from final
