{{ config(tags=['before_scores']) }}

with orders as (
    select * from {{ ref('orders_current') }}
    where is_valid and customer_id is not null
),

final as (
    select
        customer_id,
        order_on,
        count(*) filter (where kind = 'sale') as purchases,
        count(*) filter (where kind = 'refund') as refunds,
        coalesce(sum(net_amount) filter (where kind = 'sale'), 0) as sales_amount,
        coalesce(sum(gross_margin) filter (where kind = 'sale'), 0) as sales_margin,
        coalesce(sum(net_amount) filter (where kind = 'refund'), 0) as refund_amount,
        coalesce(sum(gross_margin) filter (where kind = 'refund'), 0) as refund_margin
    from orders
    where order_on <= {{ tonight() }}
    group by customer_id, order_on
)

select * from final
