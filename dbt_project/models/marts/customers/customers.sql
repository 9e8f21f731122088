{{ config(tags=['before_scores']) }}

with source_customers as (
    select * from {{ ref('source_customers') }}
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
        source_customers.source_record_id as customer_id,
        source_customers.customer_type,
        source_customers.country,
        source_customers.region,
        source_customers.acquisition_channel,
        source_customers.owner_id,
        source_customers.is_active,
        source_customers.created_at,
        order_totals.first_order_at,
        order_totals.last_order_at,
        cast(coalesce(order_totals.orders, 0) as bigint) as orders,
        cast(coalesce(order_totals.gross_revenue, 0) as decimal(18, 4)) as gross_revenue,
        cast(coalesce(order_totals.refund_amount, 0) as decimal(18, 4)) as refund_amount,
        cast(coalesce(order_totals.net_revenue, 0) as decimal(18, 4)) as net_revenue,
        cast(coalesce(order_totals.gross_margin, 0) as decimal(18, 4)) as gross_margin
    from source_customers
    left join order_totals
        on source_customers.source_record_id = order_totals.customer_id
)

select * from final
