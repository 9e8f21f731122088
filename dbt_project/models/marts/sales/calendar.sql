{{ config(tags=['before_scores']) }}
{%- set starts = var('fiscal_year_starts') %}

with days as (
    select * from {{ ref('calendar_days') }}
),

-- An ISO week belongs to the year that its Thursday is in.
weeks as (
    select
        day,
        month,
        cast({{ dbt.date_trunc('week', 'day') }} as date) as week,
        {{ add_days('cast(' ~ dbt.date_trunc('week', 'day') ~ ' as date)', 3) }} as thursday,
        extract(year from day) as year,
        mod(extract(month from day) - {{ starts }} + 12, 12) + 1 as fiscal_month
    from days
),

final as (
    select
        day,
        week,
        month,
        cast({{ dbt.date_trunc('quarter', 'day') }} as date) as quarter,
        cast(year as integer) as year,
        cast(extract(year from thursday) as integer) as iso_year,
        cast(floor(({{ days_between('cast(' ~ dbt.date_trunc('year', 'thursday') ~ ' as date)', 'thursday') }}) / 7.0) + 1 as integer) as iso_week,
        cast({{ days_between('week', 'day') }} + 1 as integer) as weekday,
        cast(year{% if starts > 1 %} + case when extract(month from day) >= {{ starts }} then 1 else 0 end{% endif %} as integer) as fiscal_year,
        cast(ceil(fiscal_month / 3.0) as integer) as fiscal_quarter,
        cast(fiscal_month as integer) as fiscal_month,
        day = {{ dbt.last_day('day', 'month') }} as is_month_end
    from weeks
)

select * from final
