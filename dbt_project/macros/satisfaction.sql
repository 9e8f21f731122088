{#-
    A satisfaction score on the scale from 1 to 5, NULL where its own scale is none that the rules know, or does not hold it. A scale
    is known by its highest score; its lowest and its highest become 1 and 5, and what lies between keeps its place.
-#}
{%- macro csat_on_five(score, scale_max) -%}
case
    {%- for scale in var('csat_scales') %}
    when coalesce({{ scale_max }}, 5) = {{ scale.max }} and {{ score }} between {{ scale.min }} and {{ scale.max }}
        then 1 + 4.0 * ({{ score }} - {{ scale.min }}) / {{ scale.max - scale.min }}
    {%- endfor %}
end
{%- endmacro -%}

{#- An answer to the question of recommendation, NULL unless it is on the scale from 0 to 10, the only one that the figure is defined on. -#}
{%- macro nps_on_ten(score, scale_max) -%}
case when coalesce({{ scale_max }}, 10) = 10 and {{ score }} between 0 and 10 then cast({{ score }} as double) end
{%- endmacro -%}

{#- Fewer answers than these are shown, but marked: one more could turn the figure. -#}
{%- macro fewest_answers() -%} 30 {%- endmacro -%}

{#- Hours from one UTC timestamp to another; NULL where the later one comes first. -#}
{%- macro hours_between(earlier, later) -%}
case when {{ later }} >= {{ earlier }} then {{ dbt.datediff(earlier, later, 'second') }} / 3600.0 end
{%- endmacro -%}

{#- The first day of the month or of the quarter that a day lies in; `period` is a column that says which. -#}
{%- macro period_start(period, day) -%}
cast(case when {{ period }} = 'quarter' then {{ dbt.date_trunc('quarter', day) }} else {{ dbt.date_trunc('month', day) }} end as date)
{%- endmacro -%}

{#- The rows of a table of figures by month and by quarter. -#}
{%- macro kinds_of_periods() -%}
    select 'month' as period

    union all

    select 'quarter' as period
{%- endmacro -%}

{#-
    The common table expressions of the last day of the customer grid in each month and quarter; last of them `ends_of_periods`. The
    calling model has `kinds_of_periods`. The grid is read by name wherever it is needed: what is imported and then read twice is kept
    in memory.
-#}
{%- macro ends_of_periods() -%}
grid_days as (
    select distinct as_of
    from {{ ref('customer_grid') }}
),

ends_of_periods as (
    select
        kinds_of_periods.period,
        {{ period_start('kinds_of_periods.period', 'grid_days.as_of') }} as month,
        max(grid_days.as_of) as as_of
    from grid_days
    cross join kinds_of_periods
    group by all
)
{%- endmacro -%}

{#- Whether a campaign asks its receivers for an answer, by what its source calls it. -#}
{%- macro is_survey_campaign(kind) -%}
(lower({{ kind }}) like '%survey%' or lower({{ kind }}) in ('nps', 'csat', 'feedback', 'questionnaire')
    {%- for word in ['调查', '调研', '问卷', '满意度'] %} or {{ kind }} like '%{{ word }}%'{% endfor %})
{%- endmacro -%}

{#- Whether a status alone says that a ticket is closed, where no date does. -#}
{%- macro is_closed_status(status) -%}
lower(trim({{ status }})) in ('closed', 'solved', 'resolved', 'done', 'completed', 'cancelled', 'canceled',
    {%- for word in ['已关闭', '关闭', '已解决', '已完成', '完成', '已结束', '结束', '已取消'] %} '{{ word }}'{% if not loop.last %},{% endif %}{% endfor %})
{%- endmacro -%}

{#- Topics that fewer customers write about are published as `other`. -#}
{%- macro fewest_customers_of_a_topic() -%} 5 {%- endmacro -%}
