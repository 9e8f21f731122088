{{ config(tags=['before_scores']) }}

with lines as (
    select * from {{ ref('order_lines_current') }}
    where not is_deleted
),

products as (
    select * from {{ ref('products_current') }}
    where category is not null
),

orders as (
    select * from {{ ref('orders_current') }}
    where is_valid and kind = 'sale' and customer_id is not null and order_on <= {{ tonight() }}
),

categorised as (
    select
        lines.order_id,
        coalesce(lines.category, products.category) as category,
        coalesce(lines.net_amount, 0) as net_amount
    from lines
    left join products
        on lines.source_system = products.source_system
        and lines.source = products.source
        and lines.product_id = products.product_id
    where coalesce(lines.category, products.category) is not null
),

amounts as (
    select
        orders.customer_id,
        orders.order_on,
        categorised.category,
        sum(categorised.net_amount) as amount
    from categorised
    inner join orders
        on categorised.order_id = orders.order_id
    group by all
),

-- The category that most was spent on; of equals the first by name.
final as (
    select
        customer_id,
        order_on,
        category
    from amounts
    qualify row_number() over (partition by customer_id, order_on order by amount desc, category) = 1
)

select * from final
