{{ config(tags=['before_scores']) }}

with members as (
    select * from {{ ref('account_members') }}
),

contacts as (
    select * from {{ ref('contacts_of_accounts') }}
    where left_on is null
),

companies as (
    select * from {{ ref('accounts_current') }}
    where not is_deleted
),

customers as (
    select * from {{ ref('customers') }}
),

snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

attributes as (
    select * from {{ ref('customer_attributes') }}
),

companies_known as (
    select
        {{ company_key('companies') }} as account_id,
        case
            when parent_account_id <> account_id then {{ company_key('companies', 'parent_account_id') }}
        end as parent_account_id,
        owner_id,
        industry,
        country,
        created_at
    from companies
),

member_totals as (
    select
        members.account_id,
        max(case when members.is_account then members.customer_id end) as customer_id,
        count(*) as customers,
        sum(customers.orders) as orders,
        sum(customers.net_revenue) as net_revenue,
        sum(customers.gross_margin) as gross_margin,
        sum(snapshots.mrr) as mrr,
        min(customers.first_order_at) as first_order_at,
        max(customers.last_order_at) as last_order_at
    from members
    inner join customers
        on members.customer_id = customers.customer_id
    left join snapshots
        on members.customer_id = snapshots.customer_id
    group by members.account_id
),

contact_totals as (
    select
        account_id,
        count(*) as contacts
    from contacts
    group by account_id
),

-- A company without customers is there, and so is one of which nothing is known but that customers name it.
all_accounts as (
    select account_id from companies_known

    union

    select account_id from member_totals
),

final as (
    select
        {{ tonight() }} as as_of,

        -- ids
        all_accounts.account_id,
        member_totals.customer_id,
        companies_known.parent_account_id,
        coalesce(companies_known.owner_id, itself.owner_id) as owner_id,

        -- strings
        coalesce(companies_known.industry, attributes.industry) as industry,
        coalesce(companies_known.country, itself.country) as country,

        -- numerics
        cast(coalesce(member_totals.customers, 0) as bigint) as customers,
        cast(coalesce(contact_totals.contacts, 0) as bigint) as contacts,
        cast(coalesce(member_totals.orders, 0) as bigint) as orders,
        cast(coalesce(member_totals.net_revenue, 0) as decimal(18, 4)) as net_revenue,
        cast(coalesce(member_totals.gross_margin, 0) as decimal(18, 4)) as gross_margin,
        cast(member_totals.mrr as decimal(18, 4)) as mrr,

        -- timestamps
        coalesce(companies_known.created_at, itself.created_at) as created_at,
        member_totals.first_order_at,
        member_totals.last_order_at
    from all_accounts
    left join companies_known
        on all_accounts.account_id = companies_known.account_id
    left join member_totals
        on all_accounts.account_id = member_totals.account_id
    left join contact_totals
        on all_accounts.account_id = contact_totals.account_id
    left join customers as itself
        on member_totals.customer_id = itself.customer_id
    left join attributes
        on member_totals.customer_id = attributes.customer_id
)

select * from final
