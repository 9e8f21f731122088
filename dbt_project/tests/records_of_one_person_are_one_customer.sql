-- From the records themselves, and not from the pairs that were made of them.
with components as (
    select * from {{ source('identity', 'components') }}
),

records as (
    select
        customers.source_record_id,
        customers.source_system,
        customers.source,
        customers.source_customer_id,
        customers.is_deleted,
        customers.merged_into,
        {%- for rule, value in shared_values().items() %}
        {{ value }} as {{ rule }},
        {%- endfor %}
        coalesce(components.is_apart, false) as is_apart,
        components.dropped_strength
    from {{ ref('customers_current') }} as customers
    left join components
        on customers.source_record_id = components.source_record_id
    where customers.is_known
),

contact_values as (
    {%- for rule in shared_values() %}
    select
        source_record_id,
        source,
        '{{ rule }}' as match_rule,
        {{ rule }} as contact_value,
        is_deleted,
        merged_into,
        -- What decisions have taken apart, and what is not believed in a crowd.
        is_apart or coalesce(dropped_strength <= {{ match_rules()[rule] }}, false) as is_doubted
    from records
    where {{ rule }} is not null
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- Whoever has left the source was one of the crowd, but whom it has merged was somebody else in it.
crowded as (
    select
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

-- Whoever shares a value that few of any source have.
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
where crowded.contact_value is null and not contact_values.is_deleted and not contact_values.is_doubted
group by contact_values.match_rule, contact_values.contact_value
having min(customers.customer_id) <> max(customers.customer_id) or count(*) <> count(customers.customer_id)

union all

-- Whom a source has merged, unless a decision says otherwise.
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
where one.customer_id is distinct from other.customer_id and not merged.is_apart and not survivors.is_apart

union all

-- Whoever names another.
select
    edges.match_rule,
    edges.source_record_id,
    edges.joined_record_id
from {{ ref('identity_edges') }} as edges
inner join records as one
    on edges.source_record_id = one.source_record_id
inner join customers
    on edges.source_record_id = customers.source_record_id
inner join customers as others
    on edges.joined_record_id = others.source_record_id
where edges.match_rule = 'external_id' and customers.customer_id <> others.customer_id
    and not one.is_apart and not coalesce(one.dropped_strength <= {{ match_rules().external_id }}, false)
