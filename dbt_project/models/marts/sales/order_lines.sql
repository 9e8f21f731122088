{{ config(tags=['before_scores']) }}

with lines as (
    select * from {{ ref('order_lines_current') }}
    where not is_deleted
),

orders as (
    select * from {{ ref('orders') }}
),

final as (
    select
        lines.order_id,
        lines.line_no,
        orders.customer_id,
        orders.order_date,
        lines.product_id,
        lines.description,
        lines.category,
        lines.quantity,
        lines.unit_price as unit_price_orig,
        lines.net_amount as net_amount_orig,
        orders.currency,
        orders.kind,
        orders.is_valid
    from lines
    inner join orders
        on lines.order_id = orders.order_id
)

select * from final
