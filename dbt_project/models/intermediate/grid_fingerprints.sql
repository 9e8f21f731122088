{{ config(tags=['before_scores']) }}
{%- set facts = snapshot_facts() %}
{%- set inputs = facts | map(attribute=0) | unique | list %}

with {% for input in inputs -%}
{{ input }} as (
    select * from {{ ref(input) }}
),

{% endfor -%}
grid_days as (
    select distinct as_of
    from {{ source('run', 'as_of_dates') }}
    where purpose in ('tonight', 'grid')
),

facts as (
    {%- for input, columns, known_on in facts %}
    select
        {{ known_on }} as known_on,
        {{ fingerprint([loop.index] + columns) }} as fingerprint
    from {{ input }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

by_day as (
    select
        known_on,
        count(*) as facts,
        sum(fingerprint) as fingerprint
    from facts
    where known_on is not null
    group by known_on
),

final as (
    select
        grid_days.as_of,
        cast(coalesce(sum(by_day.facts), 0) as {{ dbt.type_string() }})
        || ':' || cast(coalesce(sum(by_day.fingerprint), 0) as {{ dbt.type_string() }}) as fingerprint
    from grid_days
    left join by_day
        on grid_days.as_of >= by_day.known_on
    group by grid_days.as_of
)

select * from final
