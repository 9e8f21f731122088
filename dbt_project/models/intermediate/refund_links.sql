{{ config(tags=['before_scores']) }}

with orders as (
    select * from {{ ref('orders_current') }}
    where is_valid
),

final as (
    select
        sales.order_id as sale_order_id,
        refunds.order_id as refund_order_id,
        sales.customer_id,
        sales.order_on as sale_on,
        refunds.order_on as refunded_on,
        sales.net_amount as sale_amount,
        -refunds.net_amount as refunded_amount
    from orders as refunds
    inner join orders as sales
        on refunds.original_order_id = sales.order_id
    where refunds.kind = 'refund' and sales.kind = 'sale'
)

select * from final
