{{ config(tags=['before_scores']) }}
{%- set amounts = ['opening', 'new', 'reactivated', 'expansion', 'contraction', 'churned', 'closing'] %}

with contract_months as (
    select * from {{ ref('contract_months') }}
),

customers as (
    select * from {{ ref('resolved_customers') }}
),

attributes as (
    select * from {{ ref('customer_attributes') }}
),

grid as (
    select * from {{ ref('customer_grid') }}
),

-- What is known of whoever holds the contract. The tier is that of the month's eve; of who was no customer then, that of its end.
described as (
    select
        contract_months.*,
        coalesce(customers.customer_type, 'unknown') as customer_type,
        coalesce(attributes.industry, 'unknown') as industry,
        coalesce(opening.tier, closing.tier, 'unknown') as tier
    from contract_months
    left join customers
        on contract_months.holder_id = customers.customer_id
    left join attributes
        on contract_months.holder_id = attributes.customer_id
    left join grid as opening
        on contract_months.holder_id = opening.customer_id
        and opening.as_of = {{ add_days('contract_months.month', -1) }}
    left join grid as closing
        on contract_months.holder_id = closing.customer_id
        and closing.as_of = {{ dbt.last_day('contract_months.month', 'month') }}
),

by_segment as (
    {%- for dimension in ['all', 'customer_type', 'industry', 'tier'] %}
    select
        month,
        '{{ dimension }}' as dimension,
        {{ "'all'" if dimension == 'all' else dimension }} as segment,
        is_complete,
        count(*) filter (where is_open) as opening_accounts,
        count(*) filter (where is_new) as new_accounts,
        count(*) filter (where is_reactivated) as reactivated_accounts,
        count(*) filter (where is_open and not is_held) as churned_accounts,
        count(*) filter (where is_held) as closing_accounts,
        {%- for amount in amounts %}
        cast(sum({{ amount }}_mrr) as decimal(18, 4)) as {{ amount }}_mrr{% if not loop.last %},{% endif %}
        {%- endfor %}
    from described
    group by all
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

final as (
    select
        month,
        dimension,
        segment,
        opening_accounts,
        new_accounts,
        reactivated_accounts,
        churned_accounts,
        closing_accounts,
        {%- for amount in amounts %}
        {{ amount }}_mrr,
        {%- endfor %}
        case
            when is_complete
                then {{ significant(
                    'cast(opening_mrr + expansion_mrr - contraction_mrr - churned_mrr as double) / nullif(opening_mrr, 0)'
                ) }}
        end as nrr,
        case
            when is_complete
                then {{ significant('cast(opening_mrr - contraction_mrr - churned_mrr as double) / nullif(opening_mrr, 0)') }}
        end as grr,
        case
            when is_complete
                then {{ significant('churned_accounts / nullif(opening_accounts, 0)') }}
        end as account_churn_rate,
        is_complete
    from by_segment
)

select * from final
