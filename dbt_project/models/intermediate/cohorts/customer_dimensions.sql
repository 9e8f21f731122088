{{ config(tags=['before_scores']) }}

with customers as (
    select * from {{ ref('resolved_customers') }}
),

products as (
    select * from {{ ref('customer_products') }}
),

-- What never changes because of what a customer does: a dimension that follows from behaviour would explain behaviour by itself.
final as (
    select
        customers.customer_id,
        coalesce(customers.acquisition_channel, 'unknown') as channel,
        coalesce(customers.region, 'unknown') as region,
        coalesce(customers.customer_type, 'unknown') as customer_type,
        coalesce(products.first_category, 'unknown') as first_category
    from customers
    left join products
        on customers.customer_id = products.customer_id
)

select * from final
