{#-
    The common table expressions that score recency, frequency and monetary value of the buyers in `snapshots`, all of one day.
    First `rfm_cuts`, one row with a column per cut point; last `scored`, one row per buyer with the three scores.

    The score is one more than the number of cut points that a value has passed; recency counts backwards. A fixed cut point is
    reached; a quantile must be exceeded, so that equal values share a score and the lowest fifth scores 1. One small row is joined:
    a ranking would put all customers into one partition.
-#}
{%- macro rfm_scores(snapshots) -%}
{%- set bins = var('rfm_bins') -%}
{%- set columns = {'recency': 'recency_days', 'frequency': 'rfm_frequency', 'monetary': 'rfm_monetary'} -%}
{%- set beyond = '>=' if var('rfm_method') == 'fixed' else '>' -%}
rfm_cuts as (
    select
        {%- for dimension, column in columns.items() %}
        {%- set last = loop.last %}
        {%- for cut in range(1, bins) %}
        {%- if var('rfm_method') == 'fixed' %}
        cast({{ var('rfm_cuts')[dimension][cut - 1] }} as double) as {{ dimension }}_{{ cut }}
        {%- else %}
        percentile_cont({{ cut / bins }}) within group (order by cast({{ column }} as double)) as {{ dimension }}_{{ cut }}
        {%- endif %}{% if not (last and loop.last) %},{% endif %}
        {%- endfor %}
        {%- endfor %}
    {%- if var('rfm_method') != 'fixed' %}
    from {{ snapshots }}
    where occasions > 0
    {%- endif %}
),

scored as (
    select
        {{ snapshots }}.*,
        cast({{ bins }}
        {%- for cut in range(1, bins) %}
        - case when {{ snapshots }}.recency_days > rfm_cuts.recency_{{ cut }} then 1 else 0 end
        {%- endfor %} as integer) as r_score,
        cast(1
        {%- for cut in range(1, bins) %}
        + case when {{ snapshots }}.rfm_frequency {{ beyond }} rfm_cuts.frequency_{{ cut }} then 1 else 0 end
        {%- endfor %} as integer) as f_score,
        cast(1
        {%- for cut in range(1, bins) %}
        + case when {{ snapshots }}.rfm_monetary {{ beyond }} rfm_cuts.monetary_{{ cut }} then 1 else 0 end
        {%- endfor %} as integer) as m_score
    from {{ snapshots }}
    cross join rfm_cuts
    where {{ snapshots }}.occasions > 0
)
{%- endmacro -%}

{#- The first segment that holds the three scores. -#}
{%- macro rfm_segment() -%}
case
    {%- for segment in var('rfm_segments') %}
    when r_score in ({{ segment.r | join(', ') }})
        and f_score in ({{ segment.f | join(', ') }})
        and m_score in ({{ segment.m | join(', ') }}) then '{{ segment.id }}'
    {%- endfor %}
end
{%- endmacro -%}
