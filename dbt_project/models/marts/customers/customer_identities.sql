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
        match_rule
    from identities
)

select * from final
