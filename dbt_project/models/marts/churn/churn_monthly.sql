{{ config(tags=['before_scores']) }}

with spells as (
    select * from {{ ref('customer_spells') }}
),

calendar as (
    select * from {{ ref('calendar_days') }}
),

months as (
    select
        month,
        max(day) as last_day,
        max(day) = {{ dbt.last_day('month', 'month') }} as is_complete
    from calendar
    group by month
),

started as (
    select
        cast({{ dbt.date_trunc('month', 'started_on') }} as date) as month,
        count(*) filter (where spell_no = 1) as new,
        count(*) filter (where spell_no > 1) as reactivated
    from spells
    group by all
),

ended as (
    select
        cast({{ dbt.date_trunc('month', 'churned_on') }} as date) as month,
        count(*) filter (where started_on < {{ dbt.date_trunc('month', 'churned_on') }}) as churned,
        count(*) filter (where started_on >= {{ dbt.date_trunc('month', 'churned_on') }}) as intra_period_churn
    from spells
    where churned_on is not null
    group by all
),

opening_spells as (
    select
        months.month,
        count(spells.customer_id) as opening
    from months
    left join spells
        on months.month > spells.started_on
        and (months.month <= spells.churned_on or spells.churned_on is null)
    group by months.month
),

closing_spells as (
    select
        months.month,
        count(spells.customer_id) as closing
    from months
    left join spells
        on months.last_day >= spells.started_on
        and (months.last_day < spells.churned_on or spells.churned_on is null)
    group by months.month
),

final as (
    select
        months.month,
        opening_spells.opening,
        coalesce(started.new, 0) as new,
        coalesce(started.reactivated, 0) as reactivated,
        coalesce(ended.churned, 0) as churned,
        coalesce(ended.intra_period_churn, 0) as intra_period_churn,
        closing_spells.closing,
        case
            when months.is_complete
                then {{ significant('coalesce(ended.churned, 0) / nullif(opening_spells.opening, 0)') }}
        end as churn_rate,
        case
            when months.is_complete
                then {{ significant('1 - coalesce(ended.churned, 0) / nullif(opening_spells.opening, 0)') }}
        end as retention_rate,
        months.is_complete
    from months
    inner join opening_spells
        on months.month = opening_spells.month
    inner join closing_spells
        on months.month = closing_spells.month
    left join started
        on months.month = started.month
    left join ended
        on months.month = ended.month
)

select * from final
