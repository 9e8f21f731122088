{{ config(tags=['before_scores']) }}

with records as (
    select * from {{ ref('source_customers') }}
),

direct_sources as (
    select distinct source
    from {{ ref('stg_deliveries') }}
    where has_direct_identifiers
),

-- A release may be read by many: where ids are e-mail addresses or phones, all ids of the source are shown by their HMAC.
final as (
    select
        records.source_record_id,
        records.source_system,
        records.source,
        case
            when direct_sources.source is null then records.source_customer_id
            else substring({{ hmac_sha256_hex('records.source_customer_id') }}, 1, 32)
        end as published_customer_id,
        records.customer_id,
        records.match_rule
    from records
    left join direct_sources
        on records.source = direct_sources.source
)

select * from final
