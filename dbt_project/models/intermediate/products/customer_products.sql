{{ config(tags=['before_scores']) }}

with categories as (
    select * from {{ ref('customer_categories') }}
),

occasions as (
    select * from {{ ref('customer_occasions') }}
    where occasion_no = 1
),

lines as (
    select * from {{ ref('order_lines') }}
    where is_purchase and customer_id is not null and category is not null and net_amount > 0
),

prices as (
    select * from {{ ref('product_prices') }}
    where is_banded
),

top_categories as (
    select
        customer_id,
        category,
        count(*) over (partition by customer_id) as categories_bought
    from categories
    qualify row_number() over (partition by customer_id order by net_amount desc, category) = 1
),

-- What a customer came for: of the first purchase day, the category that most was spent on.
first_days as (
    select
        lines.customer_id,
        lines.category,
        sum(lines.net_amount) as net_amount
    from lines
    inner join occasions
        on lines.customer_id = occasions.customer_id
        and lines.order_date = occasions.occasion_on
    group by lines.customer_id, lines.category
),

first_categories as (
    select
        customer_id,
        category
    from first_days
    qualify row_number() over (partition by customer_id order by net_amount desc, category) = 1
),

-- What they buy beside what they came for.
other_categories as (
    select
        categories.customer_id,
        sum(categories.gross_margin) as gross_margin
    from categories
    inner join first_categories
        on categories.customer_id = first_categories.customer_id
        and categories.category <> first_categories.category
    group by categories.customer_id
),

premium as (
    select
        lines.customer_id,
        cast(sum(lines.net_amount) filter (where prices.is_premium) as double) as premium_amount,
        cast(sum(lines.net_amount) as double) as banded_amount
    from {{ ref('order_lines') }} as lines
    inner join prices
        on lines.source = prices.source
        and lines.category = prices.category
        and coalesce(lines.product_id, lines.description) = prices.product
    where lines.is_purchase and lines.customer_id is not null and lines.net_amount > 0
    group by lines.customer_id
),

final as (
    select
        top_categories.customer_id,
        top_categories.category as top_category,
        first_categories.category as first_category,
        cast(top_categories.categories_bought as bigint) as categories_bought,
        case
            when first_categories.customer_id is not null
                then cast(coalesce(other_categories.gross_margin, 0) as decimal(18, 4))
        end as other_categories_margin,
        coalesce(premium.premium_amount, 0) / nullif(premium.banded_amount, 0) as premium_share
    from top_categories
    left join first_categories
        on top_categories.customer_id = first_categories.customer_id
    left join other_categories
        on top_categories.customer_id = other_categories.customer_id
    left join premium
        on top_categories.customer_id = premium.customer_id
)

select * from final
