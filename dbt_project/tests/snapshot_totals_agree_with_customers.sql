with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

customers as (
    select * from {{ ref('customers') }}
)

select
    coalesce(snapshots.customer_id, customers.customer_id) as customer_id,
    snapshots.orders as snapshot_orders,
    customers.orders,
    snapshots.net_revenue as snapshot_net_revenue,
    customers.net_revenue
from snapshots
full join customers
    on snapshots.customer_id = customers.customer_id
where snapshots.customer_id is null
    or customers.customer_id is null
    or snapshots.orders <> customers.orders
    or snapshots.gross_revenue <> customers.gross_revenue
    or snapshots.net_revenue <> customers.net_revenue
    or snapshots.gross_margin <> customers.gross_margin
