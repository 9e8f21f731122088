{{ config(tags=['before_scores']) }}

with source_customers as (
    select * from {{ ref('source_customers') }}
),

-- The only table that says how to reach a customer; it leaves the build in the restricted part of a release.
final as (
    select
        source_record_id as customer_id,
        source_system,
        source,
        source_customer_id,
        name,
        email,
        phone
    from source_customers
)

select * from final
