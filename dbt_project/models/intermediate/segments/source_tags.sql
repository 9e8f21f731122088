{{ config(tags=['before_scores']) }}

with records as (
    select * from {{ ref('customers_current') }}
    where not is_deleted and is_known and tags is not null
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

listed as (
    select
        source_customers.customer_id,
        records.source,
        records.tags
    from records
    inner join source_customers
        on records.source_record_id = source_customers.source_record_id
),

parts as (
    {{ split_rows('listed', ['customer_id', 'source'], 'tags', '[,;|，；、]') }}
),

final as (
    select distinct
        customer_id,
        source,
        trim(part) as tag
    from parts
    where trim(part) <> ''
)

select * from final
