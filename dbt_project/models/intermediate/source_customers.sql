{{ config(tags=['before_scores']) }}

with customers as (
    select * from {{ ref('stg_customers') }}
    where cast_error is null and not is_deleted
),

orders as (
    select * from {{ ref('orders_current') }}
    where customer_id is not null and not is_orphan
),

documents as (
    select * from {{ ref('stg_orders') }}
    where cast_error is null and source_customer_id is not null
),

-- What the customers feed says, as far as it was true tonight: the newest row, and one written later only for want of another.
described as (
    select
        *,
        {{ stable_id(['source_system', 'source', 'source_customer_id']) }} as source_record_id
    from customers
    where coalesce({{ business_date('coalesce(created_at, updated_at)') }} <= {{ tonight() }}, true)
    qualify
        row_number() over (
            partition by source_system, source, source_customer_id
            order by
                coalesce({{ business_date('updated_at') }} <= {{ tonight() }}, true) desc,
                updated_at desc nulls last,
                version_at desc nulls last,
                row_hash
        ) = 1
),

-- Ids that only documents name.
implied as (
    select
        customer_id as source_record_id,
        min(ordered_at) as first_document_at
    from orders
    where order_on <= {{ tonight() }}
    group by customer_id
),

document_keys as (
    select distinct
        {{ stable_id(['source_system', 'source', 'source_customer_id']) }} as source_record_id,
        source_system,
        source,
        source_customer_id
    from documents
),

final as (
    select
        coalesce(described.source_record_id, implied.source_record_id) as source_record_id,
        coalesce(described.source_system, document_keys.source_system) as source_system,
        coalesce(described.source, document_keys.source) as source,
        coalesce(described.source_customer_id, document_keys.source_customer_id) as source_customer_id,
        described.owner_id,
        coalesce(described.customer_type, 'person') as customer_type,
        described.name,
        described.email,
        described.phone,
        described.country,
        described.region,
        described.acquisition_channel,
        coalesce(described.is_active, true) as is_active,
        case
            when described.created_at is null then implied.first_document_at
            when implied.first_document_at is null then described.created_at
            else least(described.created_at, implied.first_document_at)
        end as created_at
    from described
    full join implied
        on described.source_record_id = implied.source_record_id
    left join document_keys
        on implied.source_record_id = document_keys.source_record_id
)

select * from final
