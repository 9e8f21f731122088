{#-
    Every reason to take two records for one, with its strength: the smaller, the stronger. Up to 2 they are merges, which nothing
    but a decision undoes; 3 is one record that names the other; from 4 on the two share a value. models/components.py
    tells them apart by these numbers.
-#}
{%- macro match_rules() -%}
    {{ return({
        'merged_into': 1,
        'manual': 2,
        'external_id': 3,
        'email': 4,
        'wechat_id': 5,
        'qq': 6,
        'phone': 7,
        'name_and_birth_date': 8
    }) }}
{%- endmacro -%}

{#-
    The rules whose records share a value, and that value in SQL. Nobody's WeChat id has fewer than six signs, and nobody's QQ number
    fewer than five: shorter ones are words for want of one. A name is evidence only together with a day of birth, and the first of
    January is what is typed for want of one.
-#}
{%- macro shared_values() -%}
    {{ return({
        'email': 'email',
        'wechat_id': 'case when length(wechat_id) >= 6 then lower(wechat_id) end',
        'qq': 'case when length(qq) >= 5 then qq end',
        'phone': 'phone',
        'name_and_birth_date': (
            "case when extract(month from birth_date) > 1 or extract(day from birth_date) > 1 "
            ~ "then lower(replace(name, ' ', '')) || ' ' || cast(birth_date as " ~ dbt.type_string() ~ ') end'
        )
    }) }}
{%- endmacro -%}

{#- The rules that are as weak as a strength, or weaker, as a text. -#}
{%- macro rules_from(strength) -%}
    case {{ strength }}
        {%- for rule, least in match_rules().items() %}
        when {{ least }} then '{% for each, other in match_rules().items() if other >= least %}{{ each }}{{ ', ' if not loop.last }}{% endfor %}'
        {%- endfor %}
    end
{%- endmacro -%}

{#- The common table expression `systems`: people name a source by its folder, but the system it is read as is part of its records' ids. -#}
{%- macro systems_of_sources(deliveries) -%}
systems as (
    select
        source,
        source_system
    from {{ deliveries }}
    qualify
        row_number() over (partition by source order by version_at desc nulls last, source_system) = 1
)
{%- endmacro -%}

{#- The id of a company that a source keeps apart from its customers, whose ids may be the same numbers. -#}
{%- macro company_key(relation, account_id='account_id') -%}
    {{ stable_id(["'account'", relation ~ '.source_system', relation ~ '.source', relation ~ '.' ~ account_id]) }}
{%- endmacro -%}
