{{ config(tags=['before_scores']) }}

with members as (
    select * from {{ ref('accounts_of_customers') }}
),

customers as (
    select * from {{ ref('resolved_customers') }}
    where customer_type = 'person'
),

contacts as (
    select * from {{ ref('contacts_current') }}
    where source_record_id is not null and not is_deleted and not is_orphan
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

-- Whoever is known at an account, as a contact of one of its customers or as a customer.
people as (
    select
        members.account_id,
        {{ stable_id(["'contact'", 'contacts.source_system', 'contacts.source', 'contacts.contact_id']) }} as contact_id,
        cast(null as {{ dbt.type_string() }}) as customer_id,
        contacts.email,
        contacts.phone,
        coalesce(contacts.is_primary, false) as is_primary,
        case when {{ business_date('contacts.left_at') }} <= {{ tonight() }} then {{ business_date('contacts.left_at') }} end as left_on
    from contacts
    inner join source_customers
        on contacts.source_record_id = source_customers.source_record_id
    inner join members
        on source_customers.customer_id = members.customer_id

    union all

    select
        members.account_id,
        customers.customer_id as contact_id,
        customers.customer_id,
        customers.email,
        customers.phone,
        false as is_primary,
        cast(null as date) as left_on
    from customers
    inner join members
        on customers.customer_id = members.customer_id
),

-- One person, whatever systems know them: who has the same address there, else the same number.
final as (
    select
        account_id,
        min(contact_id) as contact_id,
        min(customer_id) as customer_id,
        max(case when is_primary then 1 else 0 end) = 1 as is_primary,
        case when count(*) = count(left_on) then max(left_on) end as left_on,
        count(*) as records
    from people
    group by account_id, coalesce('email ' || email, 'phone ' || phone, contact_id)
)

select * from final
