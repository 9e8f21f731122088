{{ config(tags=['before_scores']) }}

with lines as (
    select * from {{ ref('order_lines') }}
    where is_purchase and category is not null and net_amount > 0 and quantity > 0 and coalesce(product_id, description) is not null
),

products as (
    select
        source,
        category,
        coalesce(product_id, description) as product,
        cast(sum(net_amount) as double) / nullif(cast(sum(quantity) as double), 0) as price
    from lines
    group by source, category, coalesce(product_id, description)
),

cuts as (
    select
        category,
        count(*) as products,
        min(price) as lowest_price,
        percentile_cont(0.8) within group (order by price) as premium_price
    from products
    group by category
),

-- A band of prices takes several products, and prices that differ.
final as (
    select
        products.source,
        products.category,
        products.product,
        products.price,
        cuts.products >= 5 and cuts.premium_price > cuts.lowest_price as is_banded,
        cuts.products >= 5 and cuts.premium_price > cuts.lowest_price and products.price >= cuts.premium_price as is_premium
    from products
    inner join cuts
        on products.category = cuts.category
)

select * from final
