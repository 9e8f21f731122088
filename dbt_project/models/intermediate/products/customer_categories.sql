{{ config(tags=['before_scores']) }}

with lines as (
    select * from {{ ref('order_lines') }}
    where is_purchase and customer_id is not null and category is not null and net_amount > 0
),

final as (
    select
        customer_id,
        category,
        min(order_date) as first_bought_on,
        max(order_date) as last_bought_on,
        cast(sum(net_amount) as decimal(18, 4)) as net_amount,
        cast(sum(gross_margin) as decimal(18, 4)) as gross_margin
    from lines
    group by customer_id, category
)

select * from final
