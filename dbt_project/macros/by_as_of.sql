{#-
    A table with one part per as_of, filled one as_of at a time: five dates in one group-by need five times the memory and
    save no time. The model names its date `as_of_now()`; this loop puts the days of run.as_of_dates in its place that serve one of
    the model's `purposes`.
-#}
{% materialization by_as_of, default %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_cached_relation(this) -%}

    {{ run_hooks(pre_hooks) }}

    {%- set purposes = "'" ~ config.require('purposes') | join("', '") ~ "'" -%}
    {%- set dates = run_query(
        "select distinct cast(as_of as string) as as_of from " ~ source('run', 'as_of_dates')
        ~ " where purpose in (" ~ purposes ~ ") order by 1"
    ).columns[0].values() -%}
    {%- if not dates -%}
        {{ exceptions.raise_compiler_error("run.as_of_dates is empty: there is no day to compute " ~ this.identifier ~ " for") }}
    {%- endif -%}

    {%- if existing_relation is not none -%}
        {{ adapter.drop_relation(existing_relation) }}
    {%- endif -%}

    {%- for as_of in dates -%}
        {%- call statement('main' if loop.last else 'as_of_' ~ loop.index) -%}
            {%- if loop.first -%}
                create table {{ target_relation }} as
            {%- else -%}
                insert into {{ target_relation }}
            {%- endif %}
            {{ sql | replace(as_of_now(), "cast('" ~ as_of ~ "' as date)") }}
        {%- endcall -%}
    {%- endfor -%}

    {{ run_hooks(post_hooks) }}
    {% do persist_docs(target_relation, model) %}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
