{{ config(tags=['before_scores']) }}

with lines as (
    select * from {{ ref('order_lines_costed') }}
    where cost_source is not null and category is not null and kind = 'sale' and is_valid and order_on <= {{ tonight() }}
),

orders as (
    select * from {{ ref('order_amounts') }}
),

months as (
    select distinct cast({{ dbt.date_trunc('month', 'order_on') }} as date) as month
    from orders
    where order_on <= {{ tonight() }}
),

categories as (
    select
        category,
        month,
        count(*) as lines,
        sum(net_amount) as net_amount,
        sum(net_amount - cost_amount) as margin
    from lines
    group by category, month
),

known_categories as (
    select category
    from categories
    group by category
    having sum(lines) >= {{ fewest_lines_with_cost() }}
),

-- History stands still: a line is judged by what was known of its category when its month began.
known as (
    select
        known_categories.category,
        months.month,
        sum(categories.lines) over (
            partition by known_categories.category
            order by months.month rows between unbounded preceding and 1 preceding
        ) as lines,
        sum(categories.net_amount) over (
            partition by known_categories.category
            order by months.month rows between unbounded preceding and 1 preceding
        ) as net_amount,
        sum(categories.margin) over (
            partition by known_categories.category
            order by months.month rows between unbounded preceding and 1 preceding
        ) as margin
    from known_categories
    cross join months
    left join categories
        on known_categories.category = categories.category
        and months.month = categories.month
),

final as (
    select
        category,
        month,
        cast(lines as bigint) as lines,
        cast(round(cast(margin as double) / nullif(cast(net_amount as double), 0), 6) as decimal(9, 6)) as margin_rate
    from known
    where lines >= {{ fewest_lines_with_cost() }} and net_amount > 0
)

select * from final
