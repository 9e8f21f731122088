{{ config(tags=['before_scores']) }}

with source_customers as (
    select * from {{ ref('source_customers') }}
),

final as (
    select
        source_system,
        source,
        source_customer_id,
        customer_id,
        match_rule
    from source_customers
)

select * from final
