{%- set tables = {'lifecycle_migration': ['stage', 'lifecycle_stage'], 'tier_migration': ['tier', 'tier'], 'rfm_migration': ['segment', 'rfm_segment']} -%}
{%- for table, columns in tables.items() %}
(
    with moves as (
        select
            month,
            from_{{ columns[0] }} as state,
            sum(customers) as customers
        from {{ ref(table) }}
        where from_{{ columns[0] }} <> 'none'
        group by all
    ),

    stock as (
        select
            cast({{ dbt.dateadd('month', 1, dbt.date_trunc('month', 'as_of')) }} as date) as month,
            {{ columns[1] }} as state,
            count(*) as customers
        from {{ ref('customer_grid') }}
        where as_of = {{ dbt.last_day('as_of', 'month') }} and {{ columns[1] }} is not null
        group by all
    )

    select
        '{{ table }}' as found_in,
        stock.month,
        stock.state
    from stock
    left join moves
        on stock.month = moves.month
        and stock.state = moves.state
    where stock.month <= (select max(month) from {{ ref(table) }})
        and stock.customers <> coalesce(moves.customers, 0)
)
{%- if not loop.last %}

union all
{% endif %}
{%- endfor %}
