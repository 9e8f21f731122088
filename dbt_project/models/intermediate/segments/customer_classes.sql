{{ config(tags=['after_scores']) }}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

grid as (
    select * from {{ ref('customer_grid') }}
    where as_of = {{ tonight() }}
),

customers as (
    select * from {{ ref('customers') }}
),

attributes as (
    select * from {{ ref('customer_attributes') }}
),

clv as (
    select * from {{ ref('customer_clv') }}
),

risk as (
    select * from {{ ref('churn_risk') }}
),

{{ segment_facts() }},

final as (
    select
        as_of,
        display_layer,
        {%- for scheme in var('segment_schemes') %}
        {{ scheme.case }} as {{ segment_column(scheme) }},
        {%- endfor %}
        {%- for group in var('tag_groups') %}
        {{ group.case }} as tag_{{ group.group }},
        {%- endfor %}
        customer_id
    from facts
)

select * from final
