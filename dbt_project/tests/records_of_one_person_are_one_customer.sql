select
    edges.source_record_id,
    edges.joined_record_id,
    one.customer_id,
    other.customer_id as other_customer_id
from {{ ref('identity_edges') }} as edges
inner join {{ ref('source_customers') }} as one
    on edges.source_record_id = one.source_record_id
inner join {{ ref('source_customers') }} as other
    on edges.joined_record_id = other.source_record_id
where one.customer_id <> other.customer_id
