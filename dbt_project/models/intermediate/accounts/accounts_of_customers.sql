{{ config(tags=['before_scores']) }}

with customers as (
    select * from {{ ref('resolved_customers') }}
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

records as (
    select * from {{ ref('customers_current') }}
    where account_id is not null
),

companies as (
    select * from {{ ref('accounts_current') }}
    where not is_deleted
),

-- Of the records that name a company the newest counts, so that nobody belongs to two.
named as (
    select
        source_customers.customer_id,
        source_customers.source_system,
        source_customers.source,
        records.account_id
    from source_customers
    inner join records
        on source_customers.source_record_id = records.source_record_id
    where source_customers.is_described
    qualify
        row_number() over (
            partition by source_customers.customer_id
            order by
                source_customers.described_at desc nulls last,
                source_customers.source_system, source_customers.source, source_customers.source_customer_id
        ) = 1
),

-- What is named is a company that the source keeps apart from its customers, else one of its customers, else a company of which
-- nothing else is known.
found as (
    select
        named.customer_id,
        case
            when companies.account_id is not null or heads.customer_id is null then {{ company_key('named') }}
        end as company_id,
        case when companies.account_id is null then heads.customer_id end as head_id
    from named
    left join companies
        on named.source_system = companies.source_system
        and named.source = companies.source
        and named.account_id = companies.account_id
    left join source_customers as head_records
        on named.source_system = head_records.source_system
        and named.source = head_records.source
        and named.account_id = head_records.source_customer_id
    left join customers as heads
        on head_records.customer_id = heads.customer_id
        and heads.customer_type = 'account'
),

final as (
    select
        customers.customer_id,
        case
            when found.company_id is not null then found.company_id
            when customers.customer_type = 'account' then customers.customer_id
            else coalesce(of_heads.company_id, found.head_id)
        end as account_id
    from customers
    left join found
        on customers.customer_id = found.customer_id
    left join found as of_heads
        on found.head_id = of_heads.customer_id
    where customers.customer_type = 'account' or found.customer_id is not null
)

select * from final
