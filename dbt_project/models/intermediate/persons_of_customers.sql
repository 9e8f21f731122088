{{ config(tags=['before_scores']) }}

with contacts as (
    select * from {{ ref('contacts_current') }}
),

leads as (
    select * from {{ ref('leads_current') }}
),

customers as (
    select * from {{ ref('customers_current') }}
),

persons as (
    select
        source_system,
        source,
        contact_id as person_id,
        source_customer_id,
        1 as precedence
    from contacts

    union all

    select
        source_system,
        source,
        lead_id as person_id,
        converted_customer_id as source_customer_id,
        2 as precedence
    from leads
),

-- A source that numbers persons and customers alike means a customer by such a number.
final as (
    select
        persons.source_system,
        persons.source,
        persons.person_id,
        persons.source_customer_id
    from persons
    left join customers
        on persons.source_system = customers.source_system
        and persons.source = customers.source
        and persons.person_id = customers.source_customer_id
    where customers.source_customer_id is null
    qualify
        row_number() over (
            partition by persons.source_system, persons.source, persons.person_id order by persons.precedence
        ) = 1
)

select * from final
