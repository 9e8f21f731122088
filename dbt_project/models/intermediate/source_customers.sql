{{ config(tags=['before_scores']) }}

with customers as (
    select * from {{ ref('customers_current') }}
    where is_known
),

orders as (
    select * from {{ ref('order_versions') }}
    where source_record_id is not null and not is_orphan and not is_deleted and order_on <= {{ tonight() }}
),

links as (
    select * from {{ ref('identity_links') }}
),

components as (
    select * from {{ source('identity', 'components') }}
),

documents as (
    select
        source_record_id,
        source_system,
        source,
        source_customer_id,
        ordered_at as happened_at,
        1 as is_order
    from orders
    {%- for feed, spec in keyed_feeds().items() if spec.at %}

    union all

    select
        source_record_id,
        source_system,
        source,
        source_customer_id,
        {{ spec.at }} as happened_at,
        0 as is_order
    from {{ ref(feed ~ '_current') }}
    where source_record_id is not null and not is_orphan and not is_deleted
        and coalesce({{ business_date(spec.at) }} <= {{ tonight() }}, true)
    {%- endfor %}
),

-- Ids that documents name.
named as (
    select
        source_record_id,
        source_system,
        source,
        source_customer_id,
        min(happened_at) as first_document_at,
        max(is_order) as has_order
    from documents
    group by source_record_id, source_system, source, source_customer_id
),

-- A deleted record is nobody any more, unless orders still name it: then it is a customer of whom nothing else is known.
records as (
    select
        coalesce(customers.source_record_id, named.source_record_id) as source_record_id,
        coalesce(customers.source_system, named.source_system) as source_system,
        coalesce(customers.source, named.source) as source,
        coalesce(customers.source_customer_id, named.source_customer_id) as source_customer_id,
        coalesce(not customers.is_deleted, false) as is_described,
        coalesce(not customers.is_deleted, true) or coalesce(named.has_order = 1, false) as is_living,
        coalesce(customers.created_at, named.first_document_at) as oldest_by,
        customers.updated_at,
        case
            when customers.created_at is null then named.first_document_at
            when named.first_document_at is null then customers.created_at
            else least(customers.created_at, named.first_document_at)
        end as created_at
    from customers
    full join named
        on customers.source_record_id = named.source_record_id
),

members as (
    select
        records.*,
        components.component_id,
        components.crowd_id,
        components.dropped_strength
    from records
    inner join components
        on records.source_record_id = components.source_record_id
),

-- The oldest record gives its id to all records of the same person: it stays when younger ones come.
oldest as (
    select
        component_id,
        source_record_id as customer_id
    from members
    qualify
        row_number() over (
            partition by component_id order by oldest_by nulls last, source_system, source, source_customer_id
        ) = 1
),

people as (
    select
        component_id,
        max(case when is_living then 1 else 0 end) as is_living
    from members
    group by component_id
),

final as (
    select
        -- ids
        records.source_record_id,
        records.source_system,
        records.source,
        records.source_customer_id,
        coalesce(oldest.customer_id, records.source_record_id) as customer_id,
        links.matched_record_id,
        members.crowd_id,
        described.owner_id,

        -- strings
        coalesce(links.match_rule, 'own_record') as match_rule,
        links.evidence_value,
        coalesce(described.customer_type, 'person') as customer_type,
        described.name,
        described.email,
        described.phone,
        described.country,
        described.region,
        described.acquisition_channel,

        -- numerics
        members.dropped_strength,

        -- booleans
        records.is_described,
        coalesce(described.is_active, true) as is_active,

        -- timestamps
        records.created_at,
        coalesce(records.updated_at, records.created_at) as described_at
    from records
    left join customers as described
        on records.source_record_id = described.source_record_id
        and not described.is_deleted
    left join members
        on records.source_record_id = members.source_record_id
    left join oldest
        on members.component_id = oldest.component_id
    left join people
        on members.component_id = people.component_id
    -- Nothing needs to join a record to itself.
    left join links
        on records.source_record_id = links.source_record_id
        and records.source_record_id <> oldest.customer_id
    where coalesce(people.is_living = 1, records.is_living)
)

select * from final
