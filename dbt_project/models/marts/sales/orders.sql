{{ config(tags=['before_scores']) }}

with orders as (
    select * from {{ ref('orders_current') }}
    where order_on <= {{ tonight() }} and not is_orphan and not is_deleted
),

refund_links as (
    select * from {{ ref('refund_links') }}
    where refunded_on <= {{ tonight() }}
),

refunded as (
    select
        sale_order_id,
        sum(refunded_amount) as refunded_amount
    from refund_links
    group by sale_order_id
),

final as (
    select
        orders.order_id,
        orders.source_system,
        orders.source,
        orders.source_order_id,
        orders.customer_id,
        orders.original_order_id,
        orders.ordered_at,
        orders.order_on as order_date,
        orders.kind,
        orders.status,
        orders.channel,
        orders.currency,
        orders.amount_basis,
        orders.net_amount_orig,
        orders.net_amount,
        orders.tax_amount,
        orders.shipping_amount,
        orders.discount_amount,
        orders.gross_margin,
        orders.margin_source,
        orders.is_valid,
        orders.is_test,
        orders.has_rejected_lines,
        (
            orders.is_valid
            and orders.kind = 'sale'
            and coalesce(orders.net_amount > coalesce(refunded.refunded_amount, 0), false)
        ) as is_purchase,
        orders.delivery_id,
        orders.record_no
    from orders
    left join refunded
        on orders.order_id = refunded.sale_order_id
)

select * from final
