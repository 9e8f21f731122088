with everywhere as (
    select customer_id, 'customer_snapshots' as found_in from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }} and occasions > 0

    union all

    select customer_id, 'customer_rfm' as found_in from {{ ref('customer_rfm') }}

    union all

    select customer_id, 'customer_clv' as found_in from {{ ref('customer_clv') }}

    union all

    select customer_id, 'churn_risk' as found_in from {{ ref('churn_risk') }}
)

select
    customer_id,
    count(*) as tables_found_in,
    min(found_in) as first_table
from everywhere
group by customer_id
having count(*) <> 4
