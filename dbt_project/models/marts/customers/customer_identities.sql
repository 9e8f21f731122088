{{ config(tags=['before_scores']) }}

with source_customers as (
    select * from {{ ref('source_customers') }}
),

-- Every source record is a customer of its own until evidence joins two of them.
final as (
    select
        source_system,
        source,
        source_customer_id,
        source_record_id as customer_id,
        'own_record' as match_rule
    from source_customers
)

select * from final
