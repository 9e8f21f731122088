{{ config(tags=['before_scores']) }}

with entries as (
    select * from {{ ref('points_entries') }}
),

span as (
    select
        min(booked_on) as first_day,
        {{ tonight() }} as last_day
    from entries
),

known_span as (
    select * from span
    where first_day is not null
),

days as (
    {{ day_series('known_span', 'first_day', 'last_day') }}
),

months as (
    select
        cast({{ dbt.date_trunc('month', 'day') }} as date) as month,
        max(day) as last_day
    from days
    group by all
),

moved as (
    select
        cast({{ dbt.date_trunc('month', 'booked_on') }} as date) as month,
        sum(delta) filter (where kind = 'granted') as granted,
        -sum(delta) filter (where kind = 'spent') as spent,
        -sum(delta) filter (where kind = 'lapsed') as lapsed,
        sum(delta) as change
    from entries
    group by all
),

stocks as (
    select
        months.month,
        months.last_day,
        coalesce(moved.granted, 0) as granted,
        coalesce(moved.spent, 0) as spent,
        coalesce(moved.lapsed, 0) as lapsed,
        coalesce(moved.change, 0) as change,
        sum(coalesce(moved.change, 0)) over (order by months.month rows between unbounded preceding and current row) as closing
    from months
    left join moved
        on months.month = moved.month
),

final as (
    select
        month,
        cast(closing - change as decimal(18, 4)) as opening_points,
        cast(granted as decimal(18, 4)) as granted,
        cast(spent as decimal(18, 4)) as spent,
        cast(lapsed as decimal(18, 4)) as lapsed,
        cast(closing as decimal(18, 4)) as closing_points,
        cast(closing * cast({{ var('point_value') }} as decimal(9, 6)) as decimal(18, 4)) as liability,
        last_day = {{ dbt.last_day('month', 'month') }} as is_complete
    from stocks
)

select * from final
