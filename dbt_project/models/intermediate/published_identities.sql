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
shown as (
    select
        records.*,
        case
            when direct_sources.source is null then records.source_customer_id
            else substring({{ hmac_sha256_hex('records.source_customer_id') }}, 1, 32)
        end as published_customer_id
    from records
    left join direct_sources
        on records.source = direct_sources.source
),

-- So is what two records share: who shares the same shows the same, and what it is stays in the sources.
final as (
    select
        shown.source_record_id,
        shown.source_system,
        shown.source,
        shown.published_customer_id,
        shown.customer_id,
        shown.match_rule,
        case
            when shown.match_rule = 'manual' then 'line ' || shown.evidence_value
            when shown.evidence_value is not null
                then substring({{ hmac_sha256_hex("shown.match_rule || '|' || shown.evidence_value") }}, 1, 16)
        end as evidence,
        matched.source as matched_source,
        matched.published_customer_id as matched_published_customer_id,
        shown.crowd_id
    from shown
    left join shown as matched
        on shown.matched_record_id = matched.source_record_id
)

select * from final
