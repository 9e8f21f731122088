{{ config(tags=['before_scores']) }}

with items as (
    select * from {{ ref('cost_items') }}
    where customer_id is not null
),

final as (
    select
        customer_id,
        cast({{ dbt.date_trunc('month', 'cost_on') }} as date) as month,
        kind,
        allocation_rule,
        count(*) as items,
        cast(sum(amount) as decimal(18, 4)) as amount,
        kind in ({{ literals(var('counted_costs')) }}) as is_counted
    from items
    group by all
)

select * from final
