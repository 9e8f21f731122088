{{ config(tags=['before_scores']) }}
{%- set endless = "cast('9999-12-31' as date)" %}

with contracts as (
    select * from {{ ref('subscriptions_current') }}
),

versions as (
    select * from {{ ref('contract_versions') }}
),

statuses as (
    select
        contract_key,
        source_system,
        source,
        contract_id,
        customer_id,
        max_by(is_paused, version_no) as is_paused,
        max_by(is_ended, version_no) as is_ended,
        max(said_on) filter (where not is_ended) as last_alive_on
    from versions
    group by contract_key, source_system, source, contract_id, customer_id
),

-- Since when the status has said, without a date of its own, that the contract is over.
endings as (
    select
        statuses.contract_key,
        min(versions.said_on) as ended_said_on
    from statuses
    inner join versions
        on statuses.contract_key = versions.contract_key
        and (statuses.last_alive_on < versions.said_on or statuses.last_alive_on is null)
    where statuses.is_ended
    group by statuses.contract_key
),

terms as (
    select
        statuses.contract_key,
        statuses.customer_id,
        contracts.source_system,
        contracts.source,
        contracts.contract_id,
        contracts.cancel_reason,
        contracts.started_on,
        contracts.cancelled_on,
        statuses.is_paused,
        -- A pause stops the clock: what rests does not run out.
        case when not statuses.is_paused then coalesce(contracts.ends_on, contracts.renewal_due_on) end as term_ends_on,
        case when contracts.cancelled_on is null then endings.ended_said_on end as ended_said_on
    from statuses
    inner join contracts
        on statuses.source_system = contracts.source_system
        and statuses.source = contracts.source
        and statuses.contract_id = contracts.contract_id
    left join endings
        on statuses.contract_key = endings.contract_key
),

-- A contract ends on the first day that ends it: a cancellation does so on its own day, also before the end of the term.
ended as (
    select
        *,
        least(cancelled_on, term_ends_on, ended_said_on) as ended_on
    from terms
),

-- What was cancelled before its first day never was a contract.
begun as (
    select
        *,
        {{ add_days('ended_on', var('churn_contract').grace_days) }} as grace_until
    from ended
    where coalesce(ended_on >= started_on, true)
),

-- A contract that begins while another one runs or can still be renewed, its last day of grace included, goes on with it.
followed as (
    select
        *,
        max(coalesce(grace_until, {{ endless }})) over (
            partition by customer_id order by started_on, contract_key rows between unbounded preceding and 1 preceding
        ) as held_until,
        max(coalesce(ended_on, {{ endless }})) over (
            partition by customer_id order by started_on, contract_key rows between unbounded preceding and 1 preceding
        ) as run_until
    from begun
),

-- The first day on which another contract of the customer outlives this one.
renewals as (
    select
        begun.contract_key,
        min(greatest(others.started_on, begun.ended_on)) as renewed_on
    from begun
    inner join begun as others
        on begun.customer_id = others.customer_id
        and begun.contract_key <> others.contract_key
    where begun.ended_on is not null
        and others.started_on <= begun.grace_until
        and (others.ended_on > begun.ended_on or others.ended_on is null)
    group by begun.contract_key
),

final as (
    select
        -- ids
        followed.contract_key,
        followed.source_system,
        followed.source,
        followed.contract_id,
        followed.customer_id,
        cast(sum(case when followed.started_on <= followed.held_until then 0 else 1 end) over (
            partition by followed.customer_id
            order by followed.started_on, followed.contract_key rows between unbounded preceding and current row
        ) as integer) as period_no,

        -- strings
        followed.cancel_reason,
        case
            when followed.ended_on is null then null
            when {{ is_involuntary_reason('followed.cancel_reason') }} then 'payment_failed'
            when followed.cancelled_on = followed.ended_on then 'cancelled'
            when followed.term_ends_on = followed.ended_on then 'expired'
            else 'cancelled'
        end as end_kind,

        -- booleans
        coalesce(
            followed.started_on <= followed.held_until and followed.started_on >= followed.run_until, false
        ) as is_renewal,
        followed.is_paused,

        -- dates
        followed.started_on,
        followed.term_ends_on,
        followed.cancelled_on,
        followed.ended_on,
        followed.grace_until,
        renewals.renewed_on,
        coalesce(renewals.renewed_on, followed.grace_until) as counted_until
    from followed
    left join renewals
        on followed.contract_key = renewals.contract_key
)

select * from final
