with members as (
    select
        count(*) as customers,
        sum(customers.orders) as orders,
        sum(customers.net_revenue) as net_revenue,
        sum(customers.gross_margin) as gross_margin
    from {{ ref('account_members') }} as account_members
    inner join {{ ref('customers') }} as customers
        on account_members.customer_id = customers.customer_id
),

accounts as (
    select
        sum(customers) as customers,
        sum(orders) as orders,
        sum(net_revenue) as net_revenue,
        sum(gross_margin) as gross_margin
    from {{ ref('accounts') }}
)

select
    members.customers,
    accounts.customers as of_accounts
from members
cross join accounts
where members.customers <> accounts.customers
    or members.orders <> accounts.orders
    or members.net_revenue <> accounts.net_revenue
    or members.gross_margin <> accounts.gross_margin
