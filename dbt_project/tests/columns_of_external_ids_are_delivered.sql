{%- set declared = var('identity_external_ids') %}
with staged as (
    select * from {{ ref('stg_customers') }}
),

deliveries as (
    select * from {{ ref('deliveries_current') }}
)
{% for each in declared %}
select
    {{ literal(each.source) }} as source,
    {{ literal(each.column) }} as column_name,
    {{ literal(each.names) }} as names
where
    not exists (
        select 1 from staged
        where source = {{ literal(each.source) }} and {{ json_text('extra', each.column) }} is not null
    )
    or not exists (select 1 from deliveries where source = {{ literal(each.names) }})
{%- if not loop.last %}

union all
{% endif %}
{%- else %}
select
    source,
    cast(null as {{ dbt.type_string() }}) as column_name,
    cast(null as {{ dbt.type_string() }}) as names
from deliveries
where false
{%- endfor %}
