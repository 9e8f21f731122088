{{ config(tags=['before_scores']) }}

with contracts as (
    select * from {{ ref('contract_periods') }}
),

versions as (
    select * from {{ ref('contract_versions') }}
),

members as (
    select * from {{ ref('accounts_of_customers') }}
),

span as (
    select
        min(started_on) as first_day,
        {{ tonight() }} as last_day
    from contracts
),

known_span as (
    select * from span
    where first_day is not null
),

days as (
    {{ day_series('known_span', 'first_day', 'last_day') }}
),

month_ends as (
    select
        cast({{ dbt.date_trunc('month', 'day') }} as date) as month,
        max(day) as last_day
    from days
    group by all
),

-- The contracts that a month ends with, those in their days of grace included.
stocks as (
    select
        month_ends.month,
        coalesce(members.account_id, contracts.customer_id) as account_id,
        min(contracts.customer_id) as holder_id,
        count(*) as contracts,
        max(contracts.period_no) as period_no,
        sum(coalesce(versions.mrr, 0)) as mrr
    from month_ends
    inner join contracts
        on month_ends.last_day >= contracts.started_on
        and (month_ends.last_day < contracts.counted_until or contracts.counted_until is null)
    left join versions
        on contracts.contract_key = versions.contract_key
        and month_ends.last_day >= versions.valid_from
        and (month_ends.last_day < versions.valid_to or versions.valid_to is null)
    left join members
        on contracts.customer_id = members.customer_id
    group by month_ends.month, coalesce(members.account_id, contracts.customer_id)
),

-- A month opens with what the one before it closed with.
openings_and_closings as (
    select
        month,
        account_id,
        holder_id,
        0 as opening_contracts,
        0 as opening_mrr,
        contracts as closing_contracts,
        period_no,
        mrr as closing_mrr
    from stocks

    union all

    select
        cast({{ dbt.dateadd('month', 1, 'month') }} as date) as month,
        account_id,
        holder_id,
        contracts as opening_contracts,
        mrr as opening_mrr,
        0 as closing_contracts,
        null as period_no,
        0 as closing_mrr
    from stocks
),

account_months as (
    select
        month,
        account_id,
        min(holder_id) as holder_id,
        sum(opening_contracts) > 0 as is_open,
        sum(closing_contracts) > 0 as is_held,
        max(period_no) as period_no,
        sum(opening_mrr) as opening_mrr,
        sum(closing_mrr) as closing_mrr
    from openings_and_closings
    group by month, account_id
),

-- Who had a contract before, and for a while none, comes back; others are new.
known_months as (
    select
        *,
        case
            when is_open then 'open'
            when period_no > 1 or lag(month) over (partition by account_id order by month) is not null then 'reactivated'
            else 'new'
        end as came
    from account_months
),

-- What is lost with the last contract is churned; what an account pays less while one goes on is contraction, down to nothing.
final as (
    select
        known_months.month,
        known_months.account_id,
        known_months.holder_id,
        known_months.is_open,
        known_months.is_held,
        cast(known_months.opening_mrr as decimal(18, 4)) as opening_mrr,
        {%- for kind in ['new', 'reactivated'] %}
        cast(case when known_months.came = '{{ kind }}' then known_months.closing_mrr else 0 end as decimal(18, 4)) as {{ kind }}_mrr,
        {%- endfor %}
        cast(case
            when known_months.is_open and known_months.is_held
                then greatest(known_months.closing_mrr - known_months.opening_mrr, 0)
            else 0
        end as decimal(18, 4)) as expansion_mrr,
        cast(case
            when known_months.is_open and known_months.is_held
                then greatest(known_months.opening_mrr - known_months.closing_mrr, 0)
            else 0
        end as decimal(18, 4)) as contraction_mrr,
        cast(case when not known_months.is_held then known_months.opening_mrr else 0 end as decimal(18, 4)) as churned_mrr,
        cast(known_months.closing_mrr as decimal(18, 4)) as closing_mrr,
        known_months.came = 'new' as is_new,
        known_months.came = 'reactivated' as is_reactivated,
        month_ends.last_day = {{ dbt.last_day('month_ends.month', 'month') }} as is_complete
    from known_months
    inner join month_ends
        on known_months.month = month_ends.month
)

select * from final
