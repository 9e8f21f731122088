-- From the records themselves, and not from the pairs that were made of them.
with records as (
    select * from {{ ref('customers_current') }}
    where is_known
),

contact_values as (
    select
        source_record_id,
        source,
        'email' as match_rule,
        email as contact_value,
        is_deleted,
        merged_into
    from records
    where email is not null

    union all

    select
        source_record_id,
        source,
        'phone' as match_rule,
        phone as contact_value,
        is_deleted,
        merged_into
    from records
    where phone is not null
),

-- Whoever has left the source was one of the crowd, but whom it has merged was somebody else in it.
crowded as (
    select distinct
        match_rule,
        contact_value
    from contact_values
    where merged_into is null
    group by match_rule, contact_value, source
    having count(*) > {{ var('identity_max_records_per_value') }}
),

customers as (
    select * from {{ ref('source_customers') }}
)

-- Whoever shares an address or a number that few of any source have.
select
    contact_values.match_rule,
    min(contact_values.source_record_id) as source_record_id,
    max(contact_values.source_record_id) as joined_record_id
from contact_values
left join crowded
    on contact_values.match_rule = crowded.match_rule
    and contact_values.contact_value = crowded.contact_value
left join customers
    on contact_values.source_record_id = customers.source_record_id
where crowded.contact_value is null and not contact_values.is_deleted
group by contact_values.match_rule, contact_values.contact_value
having min(customers.customer_id) <> max(customers.customer_id) or count(*) <> count(customers.customer_id)

union all

-- Whom a source has merged.
select
    'merged_into' as match_rule,
    merged.source_record_id,
    survivors.source_record_id as joined_record_id
from records as merged
inner join records as survivors
    on merged.source_system = survivors.source_system
    and merged.source = survivors.source
    and merged.merged_into = survivors.source_customer_id
left join customers as one
    on merged.source_record_id = one.source_record_id
left join customers as other
    on survivors.source_record_id = other.source_record_id
where one.customer_id is distinct from other.customer_id

union all

-- And whom anything else has joined.
select
    edges.match_rule,
    edges.source_record_id,
    edges.joined_record_id
from {{ ref('identity_edges') }} as edges
inner join customers as one
    on edges.source_record_id = one.source_record_id
inner join customers as other
    on edges.joined_record_id = other.source_record_id
where one.customer_id <> other.customer_id
