-- A customer known tonight stands in the grid once, in one tier and one stage; who has never bought is not lost.
with grid as (
    select * from {{ ref('customer_grid') }}
),

customers as (
    select * from {{ ref('customers') }}
),

tonight as (
    select * from grid
    where as_of = {{ tonight() }}
)

select
    customers.customer_id,
    'no place in the grid' as problem
from customers
left join tonight
    on customers.customer_id = tonight.customer_id
where tonight.customer_id is null

union all

select
    customer_id,
    'no tier or no stage' as problem
from grid
where tier is null or lifecycle_stage is null

union all

select
    customer_id,
    'more than one place in the grid' as problem
from grid
group by as_of, customer_id
having count(*) > 1

union all

select
    snapshots.customer_id,
    'lost without ever having bought' as problem
from {{ ref('customer_snapshots') }} as snapshots
where snapshots.churned and snapshots.occasions = 0 and not snapshots.is_contract_churned
