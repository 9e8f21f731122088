{{ config(tags=['before_scores']) }}

with orders as (
    select * from {{ ref('orders_current') }}
    where is_valid
),

linked as (
    select
        sales.order_id as sale_order_id,
        refunds.order_id as refund_order_id,
        sales.customer_id,
        sales.order_on as sale_on,
        refunds.order_on as refunded_on,
        refunds.currency = sales.currency as is_same_currency,
        sales.net_amount as sale_amount,
        sales.net_amount_orig as sale_amount_orig,
        -refunds.net_amount as refunded_amount,
        -refunds.net_amount_orig as refunded_amount_orig
    from orders as refunds
    inner join orders as sales
        on refunds.original_order_id = sales.order_id
    where refunds.kind = 'refund' and sales.kind = 'sale'
),

running as (
    select
        *,
        sum(refunded_amount_orig) over (
            partition by sale_order_id, is_same_currency
            order by refunded_on, refund_order_id rows between unbounded preceding and current row
        ) as refunded_so_far_orig
    from linked
),

-- In the currency of the sale, a refund is a share of it. Rounding the running share lets the parts of a full refund add up.
shared as (
    select
        *,
        case
            when refunded_so_far_orig = sale_amount_orig then sale_amount
            else cast({{ product('sale_amount', 'refunded_so_far_orig') }} / nullif(sale_amount_orig, 0) as decimal(18, 4))
        end as refunded_so_far
    from running
),

parted as (
    select
        *,
        lag(refunded_so_far, 1, 0) over (
            partition by sale_order_id, is_same_currency order by refunded_on, refund_order_id
        ) as refunded_before
    from shared
),

final as (
    select
        sale_order_id,
        refund_order_id,
        customer_id,
        sale_on,
        refunded_on,
        sale_amount,
        case
            when is_same_currency then cast(refunded_so_far - refunded_before as decimal(18, 4))
            else refunded_amount
        end as refunded_amount
    from parted
)

select * from final
