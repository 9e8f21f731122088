{{ config(tags=['before_scores']) }}

with items as (
    select * from {{ ref('cost_items') }}
),

customer_costs as (
    select * from {{ ref('customer_costs') }}
),

ledger as (
    select
        cast({{ dbt.date_trunc('month', 'cost_on') }} as date) as month,
        kind,
        count(*) as items,
        sum(amount) as ledger_amount,
        {%- for reason in ['no_touches', 'prospect', 'guest', 'unknown_customer'] %}
        sum(amount) filter (where unallocated_reason = '{{ reason }}') as unallocated_{{ reason }}{% if not loop.last %},{% endif %}
        {%- endfor %}
    from items
    group by {{ dbt.date_trunc('month', 'cost_on') }}, kind
),

allocated as (
    select
        month,
        kind,
        sum(amount) as allocated_amount
    from customer_costs
    group by month, kind
),

final as (
    select
        ledger.month,
        ledger.kind,
        ledger.items,
        cast(ledger.ledger_amount as decimal(18, 4)) as ledger_amount,
        cast(coalesce(allocated.allocated_amount, 0) as decimal(18, 4)) as allocated_amount,
        cast(coalesce(ledger.unallocated_no_touches, 0) as decimal(18, 4)) as unallocated_no_touches,
        cast(coalesce(ledger.unallocated_prospect, 0) as decimal(18, 4)) as unallocated_prospect,
        cast(coalesce(ledger.unallocated_guest, 0) as decimal(18, 4)) as unallocated_guest,
        cast(coalesce(ledger.unallocated_unknown_customer, 0) as decimal(18, 4)) as unallocated_unknown_customer,
        ledger.kind in ({{ literals(var('counted_costs')) }}) as is_counted
    from ledger
    left join allocated
        on ledger.month = allocated.month
        and ledger.kind = allocated.kind
)

select * from final
