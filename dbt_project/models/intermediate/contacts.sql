{{ config(tags=['before_scores']) }}

with resolved_customers as (
    select * from {{ ref('resolved_customers') }}
),

-- The only table that says how to reach a customer; it leaves the build in the restricted part of a release.
final as (
    select
        customer_id,
        source_system,
        source,
        source_customer_id,
        name,
        email,
        phone
    from resolved_customers
)

select * from final
