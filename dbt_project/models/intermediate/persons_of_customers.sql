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

-- A lead that became the customer of its own number is that customer, and no second bearer of the number.
persons as (
    select
        source_system,
        source,
        'contact' as kind,
        contact_id as person_id,
        source_customer_id
    from contacts

    union all

    select
        source_system,
        source,
        'lead' as kind,
        lead_id as person_id,
        converted_customer_id as source_customer_id
    from leads
    where converted_customer_id is null or converted_customer_id <> lead_id
),

numbers as (
    select
        source_system,
        source,
        'customer' as kind,
        source_customer_id as bearer_id
    from customers

    union all

    select
        source_system,
        source,
        'customer' as kind,
        source_customer_id as bearer_id
    from persons
    where source_customer_id is not null

    union all

    select
        source_system,
        source,
        kind,
        person_id as bearer_id
    from persons
),

-- Where one number has bearers of two kinds, each kind is numbered by itself: documents name customers there, and one whose
-- customer was not delivered is not that of whichever contact happens to have the number.
sources_with_clashes as (
    select distinct
        persons.source_system,
        persons.source
    from persons
    inner join numbers
        on persons.source_system = numbers.source_system
        and persons.source = numbers.source
        and persons.person_id = numbers.bearer_id
        and persons.kind <> numbers.kind
),

final as (
    select
        persons.source_system,
        persons.source,
        persons.person_id,
        persons.source_customer_id
    from persons
    left join sources_with_clashes
        on persons.source_system = sources_with_clashes.source_system
        and persons.source = sources_with_clashes.source
    where sources_with_clashes.source is null
)

select * from final
