{{ config(tags=['before_scores']) }}

{%- set bins = var('rfm_bins') %}
{#- A fixed cut point is reached; a quantile must be exceeded, so that equal values share a score and the lowest fifth scores 1. -#}
{%- set beyond = '>=' if var('rfm_method') == 'fixed' else '>' %}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

cut_points as (
    select * from {{ ref('rfm_cut_points') }}
),

{%- set columns = [] %}
{%- for dimension in ['recency', 'frequency', 'monetary'] %}
{%- for cut in range(1, bins) %}
{%- do columns.append("max(cut_point) filter (where dimension = '%s' and cut_no = %d) as %s_%d" % (dimension, cut, dimension, cut)) %}
{%- endfor %}
{%- endfor %}

cuts as (
    select
        {{ columns | join(',\n        ') }}
    from cut_points
),

scored as (
    select
        snapshots.as_of,
        snapshots.customer_id,
        snapshots.recency_days,
        snapshots.rfm_frequency as frequency,
        snapshots.rfm_monetary as monetary,
        {{ bins }}
        {%- for cut in range(1, bins) %}
        - case when snapshots.recency_days > cuts.recency_{{ cut }} then 1 else 0 end
        {%- endfor %} as r_score,
        1
        {%- for cut in range(1, bins) %}
        + case when snapshots.rfm_frequency {{ beyond }} cuts.frequency_{{ cut }} then 1 else 0 end
        {%- endfor %} as f_score,
        1
        {%- for cut in range(1, bins) %}
        + case when snapshots.rfm_monetary {{ beyond }} cuts.monetary_{{ cut }} then 1 else 0 end
        {%- endfor %} as m_score
    from snapshots
    cross join cuts
),

final as (
    select
        as_of,
        customer_id,
        recency_days,
        frequency,
        monetary,
        cast(r_score as integer) as r_score,
        cast(f_score as integer) as f_score,
        cast(m_score as integer) as m_score,
        case
            {%- for segment in var('rfm_segments') %}
            when r_score in ({{ segment.r | join(', ') }})
                and f_score in ({{ segment.f | join(', ') }})
                and m_score in ({{ segment.m | join(', ') }}) then '{{ segment.id }}'
            {%- endfor %}
        end as rfm_segment
    from scored
)

select * from final
