{{ config(tags=['before_scores']) }}
{%- set shortest_term = 7 %}

with contracts as (
    select * from {{ ref('contract_periods') }}
    where started_on <= {{ tonight() }}
),

versions as (
    select * from {{ ref('contract_versions') }}
    where said_on <= {{ tonight() }} and due_on is not null
),

-- A due day that moves ahead is a renewal, a few days are a correction. What was due is counted when it has been.
steps as (
    select
        contract_key,
        version_no,
        due_on,
        said_on,
        valid_to,
        lag(due_on) over (partition by contract_key order by version_no) as due_before
    from versions
),

said as (
    select
        contract_key,
        max(due_on) filter (where valid_to > {{ tonight() }} or valid_to is null) as due_on,
        count(*) filter (where due_on >= {{ add_days('due_before', shortest_term) }}) as renewals_seen,
        min({{ days_between('due_before', 'due_on') }}) filter (
            where due_on >= {{ add_days('due_before', shortest_term) }}
        ) as step_days
    from steps
    group by contract_key
),

-- What lies ahead of tonight, an end or a renewal, is not known yet.
known as (
    select
        *,
        min(started_on) over (partition by customer_id, period_no) as held_since,
        case when ended_on <= {{ tonight() }} then ended_on end as known_end,
        case when ended_on <= {{ tonight() }} and renewed_on <= {{ tonight() }} then renewed_on end as known_renewal
    from contracts
),

judged as (
    select
        *,
        case
            when known_end is null then 'running'
            when known_renewal is not null and end_kind = 'expired' then 'renewed'
            when known_renewal is not null then 'replaced'
            when grace_until > {{ tonight() }} then 'in_grace'
            when end_kind = 'expired' then 'not_renewed'
            else 'cancelled'
        end as outcome
    from known
),

-- The terms that a contract goes on with: those of the same time under contract that ran out when it began, give or take the grace.
predecessors as (
    select
        judged.contract_key,
        count(*) as terms_before
    from judged
    inner join judged as earlier
        on judged.customer_id = earlier.customer_id
        and judged.period_no = earlier.period_no
        and judged.started_on > earlier.started_on
        and {{ add_days('judged.started_on', var('churn_contract').grace_days) }} >= earlier.known_end
    where earlier.outcome = 'renewed'
    group by judged.contract_key
),

final as (
    select
        judged.contract_key,
        judged.customer_id,
        judged.outcome,
        judged.is_paused,
        judged.held_since,
        judged.started_on,
        case when judged.outcome = 'running' and not judged.is_paused then said.due_on end as due_on,
        judged.known_end as ended_on,
        judged.known_renewal as renewed_on,
        cast(coalesce(predecessors.terms_before, 0) as integer) as terms_before,
        cast(coalesce(said.renewals_seen, 0) as integer) as renewals_seen,
        cast(said.step_days as integer) as step_days
    from judged
    left join said
        on judged.contract_key = said.contract_key
    left join predecessors
        on judged.contract_key = predecessors.contract_key
)

select * from final
