{#-
    A table with one part per as_of, filled one as_of at a time: five dates in one group-by need five times the memory and
    save no time. The model names its date `as_of_now()`; this loop puts the days of run.as_of_dates in its place that serve one of
    the model's `purposes`.

    Where a model names a table of `fingerprints`, with columns as_of and fingerprint, the days that stand already and were made by the
    same SQL from the same facts are kept. `made_from` says so of every row.
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

    {%- set made_from = {} -%}
    {%- if config.get('fingerprints') -%}
        {%- set fingerprints = api.Relation.create(
            database=this.database, schema=this.schema, identifier=config.get('fingerprints')
        ) -%}
        {%- for row in run_query('select cast(as_of as string) as as_of, fingerprint from ' ~ fingerprints).rows -%}
            {%- do made_from.update({row.as_of: local_md5(sql ~ row.fingerprint)}) -%}
        {%- endfor -%}
    {%- endif -%}

    {%- set kept = kept_days(existing_relation, made_from) -%}
    {%- if kept -%}
        {%- call statement('main') -%}
            delete from {{ target_relation }} where cast(as_of as string) not in ('{{ kept | join("', '") }}')
        {%- endcall -%}
    {%- elif existing_relation is not none -%}
        {{ adapter.drop_relation(existing_relation) }}
    {%- endif -%}

    {%- for as_of in dates if as_of not in kept -%}
        {%- call statement('as_of_' ~ loop.index if kept or not loop.last else 'main') -%}
            {%- if loop.first and not kept -%}
                create table {{ target_relation }} as
            {%- else -%}
                insert into {{ target_relation }}
            {%- endif %}
            {%- set day = sql | replace(as_of_now(), "cast('" ~ as_of ~ "' as date)") %}
            {%- if made_from %}
            select made.*, '{{ made_from[as_of] }}' as made_from from ({{ day }}) as made
            {%- else %}
            {{ day }}
            {%- endif %}
        {%- endcall -%}
    {%- endfor -%}

    {{ run_hooks(post_hooks) }}
    {% do persist_docs(target_relation, model) %}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- The days of a table that are what they would be if they were made again. -#}
{%- macro kept_days(relation, made_from) -%}
    {%- set kept = [] -%}
    {%- if made_from and relation is not none and 'made_from' in adapter.get_columns_in_relation(relation) | map(attribute='name') -%}
        {%- for row in run_query('select distinct cast(as_of as string) as as_of, made_from from ' ~ relation).rows -%}
            {%- if made_from.get(row.as_of) == row.made_from -%} {%- do kept.append(row.as_of) -%} {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(kept) }}
{%- endmacro -%}
