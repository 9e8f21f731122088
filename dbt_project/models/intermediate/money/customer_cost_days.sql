{{ config(tags=['before_scores']) }}

with items as (
    select * from {{ ref('cost_items') }}
    where customer_id is not null
),

-- Only what the business rules count; a discount that already lowers revenue is no cost besides.
final as (
    select
        customer_id,
        cost_on,
        {%- for kind in ['touch', 'coupon', 'event', 'service'] %}
        {%- if kind in var('counted_costs') %}
        cast(coalesce(sum(amount) filter (where kind = '{{ kind }}'), 0) as decimal(18, 4)) as {{ kind }}_cost
        {%- else %}
        cast(0 as decimal(18, 4)) as {{ kind }}_cost
        {%- endif %}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from items
    where kind in ({{ literals(var('counted_costs')) }})
    group by customer_id, cost_on
)

select * from final
