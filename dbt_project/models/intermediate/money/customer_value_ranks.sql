{{ config(tags=['before_scores']) }}
{%- set rankings = ['gross_margin', 'net_revenue'] %}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }} and occasions > 0
),

everybody as (
    select count(*) as customers
    from snapshots
),

placed as (
    {%- for ranking in rankings %}
    select
        as_of,
        '{{ ranking }}' as ranked_by,
        customer_id,
        {{ ranking }} as value,
        gross_margin,
        net_revenue,
        row_number() over (order by {{ ranking }} desc, customer_id) as place
    from snapshots
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- The best p per cent of the customers, rounded down to whole customers.
final as (
    select
        placed.as_of,
        placed.ranked_by,
        placed.customer_id,
        placed.value,
        placed.gross_margin,
        placed.net_revenue,
        cast(ceil(placed.place * 100.0 / nullif(everybody.customers, 0)) as integer) as percentile,
        cast(ceil(placed.place * 10.0 / nullif(everybody.customers, 0)) as integer) as decile
    from placed
    cross join everybody
)

select * from final
