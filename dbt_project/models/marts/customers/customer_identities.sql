{{ config(tags=['before_scores']) }}

with identities as (
    select * from {{ ref('published_identities') }}
),

final as (
    select
        source_system,
        source,
        published_customer_id as source_customer_id,
        customer_id,
        match_rule,
        evidence,
        matched_source,
        matched_published_customer_id as matched_source_customer_id,
        crowd_id as conflict_id
    from identities
)

select * from final
