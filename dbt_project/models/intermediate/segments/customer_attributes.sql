{{ config(tags=['before_scores']) }}
{%- set attributes = ['gender', 'birth_date', 'industry'] %}

with records as (
    select * from {{ ref('customers_current') }}
    where not is_deleted
),

accounts as (
    select * from {{ ref('accounts_current') }}
    where not is_deleted
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

-- Some systems say the industry of the customer, others that of the company the customer belongs to.
described as (
    select
        source_customers.customer_id,
        records.gender,
        records.birth_date,
        coalesce(records.industry, accounts.industry) as industry,
        row_number() over (
            partition by source_customers.customer_id
            order by
                source_customers.described_at nulls first,
                source_customers.source_system desc, source_customers.source desc, source_customers.source_customer_id desc
        ) as place
    from source_customers
    inner join records
        on source_customers.source_record_id = records.source_record_id
    left join accounts
        on records.source_system = accounts.source_system
        and records.source = accounts.source
        and records.account_id = accounts.account_id
    where records.gender is not null or records.birth_date is not null
        or records.industry is not null or accounts.industry is not null
),

-- Each attribute is that of the newest record that has it.
final as (
    select
        customer_id,
        {%- for attribute in attributes %}
        max_by({{ attribute }}, place) filter (where {{ attribute }} is not null) as {{ attribute }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from described
    group by customer_id
)

select * from final
