{{ config(tags=['after_scores']) }}

with classes as (
    select * from {{ ref('customer_classes') }}
),

final as (
    {%- for scheme in var('segment_schemes') %}
    select
        as_of,
        '{{ scheme.id }}' as scheme,
        customer_id,
        {{ segment_column(scheme) }} as segment,
        {{ rule_version(scheme) }} as version
    from classes
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- else %}
    select
        as_of,
        cast(null as {{ dbt.type_string() }}) as scheme,
        customer_id,
        cast(null as {{ dbt.type_string() }}) as segment,
        cast(null as {{ dbt.type_string() }}) as version
    from classes
    where false
    {%- endfor %}
)

select * from final
