-- Worked out anew, contract by contract: lost is who had a contract, and of whom none runs or can still be renewed.
with contracts as (
    select
        customer_id,
        max(case when grace_until is null or grace_until > {{ tonight() }} then 1 else 0 end) = 1 as is_held,
        max(case when ended_on is null or ended_on > {{ tonight() }} then 1 else 0 end) = 1 as is_running,
        max(ended_on) as last_ended_on
    from {{ ref('contract_periods') }}
    group by customer_id
),

snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }} and (has_contract or is_contract_churned)
)

select
    coalesce(contracts.customer_id, snapshots.customer_id) as customer_id,
    snapshots.has_contract,
    snapshots.is_contract_churned,
    contracts.is_held
from contracts
full join snapshots
    on contracts.customer_id = snapshots.customer_id
where snapshots.has_contract is distinct from contracts.is_held
    or snapshots.is_contract_churned is distinct from (not contracts.is_held)
    or snapshots.contract_ended_on is distinct from (case when not contracts.is_running then contracts.last_ended_on end)
