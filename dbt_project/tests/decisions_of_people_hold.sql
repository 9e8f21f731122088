with decisions as (
    select * from {{ ref('identity_decisions') }}
),

customers as (
    select * from {{ ref('source_customers') }}
)

select
    decisions.line_no,
    decisions.action,
    one.customer_id,
    other.customer_id as other_customer_id
from decisions
inner join customers as one
    on decisions.first_record_id = one.source_record_id
inner join customers as other
    on decisions.second_record_id = other.source_record_id
where (decisions.action = 'merge') <> (one.customer_id = other.customer_id)
