with ledger as (
    select
        customer_id,
        sum(delta) as balance
    from {{ ref('points_ledger') }}
    group by customer_id
),

snapshots as (
    select
        customer_id,
        points_balance,
        points_expiring_30d
    from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
)

select
    ledger.customer_id,
    ledger.balance as balance_of_ledger,
    balances.balance,
    snapshots.points_balance as balance_of_snapshot
from ledger
full join {{ ref('points_balances') }} as balances
    on ledger.customer_id = balances.customer_id
left join snapshots
    on coalesce(ledger.customer_id, balances.customer_id) = snapshots.customer_id
where ledger.balance is distinct from balances.balance
    or snapshots.points_balance is distinct from balances.balance
    or snapshots.points_expiring_30d is distinct from balances.expiring_30d
