with schemes as (
    select
        scheme,
        sum(customers) as customers
    from {{ ref('segment_validation') }}
    group by scheme
),

customers as (
    select count(*) as customers
    from {{ ref('customers') }}
)

select
    schemes.scheme,
    schemes.customers as in_segments,
    customers.customers
from schemes
cross join customers
where schemes.customers <> customers.customers
