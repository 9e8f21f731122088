with orders as (
    select * from {{ ref('orders') }}
    where is_valid
),

heads as (
    select
        current_orders.order_id,
        cast(raw_orders.net_amount as decimal(18, 4)) as net_amount
    from {{ ref('orders_current') }} as current_orders
    inner join {{ source('raw', 'orders') }} as raw_orders
        on current_orders.source_system = raw_orders.source_system
        and current_orders.source = raw_orders.source
        and current_orders.source_order_id = raw_orders.order_id
        and current_orders.delivery_id = raw_orders.delivery_id
        and current_orders.record_no = raw_orders.record_no
),

line_totals as (
    select
        current_lines.order_id,
        sum(cast(coalesce(
            cast(raw_lines.net_amount as decimal(18, 4)),
            cast(raw_lines.quantity as decimal(28, 4)) * cast(raw_lines.unit_price as decimal(18, 4))
        ) as decimal(18, 4))) as net_amount
    from {{ ref('order_lines_current') }} as current_lines
    inner join {{ source('raw', 'order_lines') }} as raw_lines
        on current_lines.source_system = raw_lines.source_system
        and current_lines.source = raw_lines.source
        and current_lines.source_order_id = raw_lines.order_id
        and current_lines.delivery_id = raw_lines.delivery_id
        and current_lines.record_no = raw_lines.record_no
    group by current_lines.order_id
),

totals as (
    select
        orders.kind,
        orders.currency,
        sum(coalesce(heads.net_amount, line_totals.net_amount)) as raw_amount,
        sum(orders.net_amount_orig) as mart_amount
    from orders
    left join heads
        on orders.order_id = heads.order_id
    left join line_totals
        on orders.order_id = line_totals.order_id
    group by orders.kind, orders.currency
)

select * from totals
where coalesce(raw_amount <> mart_amount, true)
