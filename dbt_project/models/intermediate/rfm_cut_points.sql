{{ config(tags=['before_scores']) }}

{%- set bins = var('rfm_bins') %}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

-- The score is one more than the number of cut points that a value has passed; recency counts backwards.
final as (
    {%- if var('rfm_method') == 'fixed' %}
    {%- for dimension in ['recency', 'frequency', 'monetary'] %}
    {%- for cut in var('rfm_cuts')[dimension] %}
    select
        '{{ dimension }}' as dimension,
        {{ loop.index }} as cut_no,
        cast({{ cut }} as double) as cut_point
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
    {%- else %}
    {%- for dimension, column in [('recency', 'recency_days'), ('frequency', 'rfm_frequency'), ('monetary', 'rfm_monetary')] %}
    {%- set outer = loop %}
    {%- for cut in range(1, bins) %}
    select
        '{{ dimension }}' as dimension,
        {{ cut }} as cut_no,
        percentile_cont({{ cut / bins }}) within group (order by cast({{ column }} as double)) as cut_point
    from snapshots
    {%- if not (loop.last and outer.last) %}

    union all
    {% endif %}
    {%- endfor %}
    {%- endfor %}
    {%- endif %}
)

select * from final
