with both_tables as (
    select customer_id, 1 as in_customers, 0 as in_360 from {{ ref('customers') }}

    union all

    select customer_id, 0 as in_customers, 1 as in_360 from {{ ref('customer_360') }}
)

select customer_id
from both_tables
group by customer_id
having sum(in_customers) <> 1 or sum(in_360) <> 1
