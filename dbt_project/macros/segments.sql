{#- The schemes whose conditions can be answered for every day of the grid, because they rest on no prediction of that day. -#}
{%- macro grid_schemes() -%}
    {{ return(var('segment_schemes') | selectattr('on_grid') | list) }}
{%- endmacro -%}

{#- All that is asked of a customer on a day of the grid, as SQL: what it does not name need not be known of that day. -#}
{%- macro grid_conditions() -%}
    {%- set cases = [var('tier_case'), var('stage_case')] + (grid_schemes() | map(attribute='case') | list) -%}
    {{ return((cases + (var('percentile_cuts') | map(attribute='metric') | list)) | join(' ')) }}
{%- endmacro -%}

{#- The schemes that can be tried on a past day: those of the grid, and those that rest on what a record hardly ever changes. -#}
{%- macro tried_schemes() -%}
    {{ return((var('segment_schemes') | selectattr('on_grid') | list) + (var('segment_schemes') | selectattr('on_record') | rejectattr('on_grid') | list)) }}
{%- endmacro -%}

{#- The column that says a customer's segment of a scheme. -#}
{%- macro segment_column(scheme) -%} segment_{{ scheme.id }} {%- endmacro -%}

{#-
    The segments of the schemes of the grid, as a list of columns, each with a comma after it. They read the measures of a day with
    tier and lifecycle_stage.
-#}
{%- macro scheme_columns() -%}
{%- for scheme in grid_schemes() %}
        {{ scheme.case }} as {{ segment_column(scheme) }},
{%- endfor %}
{%- endmacro -%}

{#- What names one version of a rule: sixteen hexadecimal digits that change with its conditions, its order and its labels. -#}
{%- macro rule_version(rule) -%} '{{ local_md5(tojson(rule, sort_keys=true))[:16] }}' {%- endmacro -%}

{#- The version of all tags of one group: they exclude each other, so a change of one may move the customers of another. -#}
{%- macro tag_group_version(group) -%}
    {{- rule_version(var('tags') | selectattr('group', 'equalto', group) | list) -}}
{%- endmacro -%}

{#-
    The common table expressions of everything that a condition of a segment or a tag may name about the customers of tonight; last of
    them `facts`. The calling model imports snapshots and grid (both of tonight), customers, attributes, clv and risk.
-#}
{%- macro segment_facts() -%}
{{ measures('snapshots') }},

judged as (
    select
        measures.*,
        grid.tier,
        grid.lifecycle_stage,
        grid.rfm_segment,
        clv.clv_predicted_365d,
        risk.churn_probability,
        risk.risk_score,
        risk.risk_level,
        risk.value_at_risk,
        customers.customer_type,
        customers.country,
        customers.region,
        customers.acquisition_channel,
        attributes.gender,
        {{ whole_years('attributes.birth_date', 'measures.as_of') }} as age_years
    from measures
    inner join grid
        on measures.customer_id = grid.customer_id
    inner join customers
        on measures.customer_id = customers.customer_id
    left join attributes
        on measures.customer_id = attributes.customer_id
    left join clv
        on measures.customer_id = clv.customer_id
    left join risk
        on measures.customer_id = risk.customer_id
),

facts as (
    select
        *,
        {{ var('display_case') }} as display_layer
    from judged
)
{%- endmacro -%}

{#- Birthdays from one day to another; who was born on 29 February has theirs on 1 March in other years. -#}
{%- macro whole_years(born_on, day) -%}
    cast(
        extract(year from {{ day }}) - extract(year from {{ born_on }})
        - case
            when extract(month from {{ day }}) * 100 + extract(day from {{ day }})
                < extract(month from {{ born_on }}) * 100 + extract(day from {{ born_on }})
                then 1
            else 0
        end as integer
    )
{%- endmacro -%}
