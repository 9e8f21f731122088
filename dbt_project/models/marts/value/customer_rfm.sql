{{ config(tags=['before_scores']) }}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

segments as (
    select * from {{ ref('customer_segments') }}
    where left_on is null
),

{{ rfm_scores('snapshots') }},

segmented as (
    select
        *,
        {{ rfm_segment() }} as rfm_segment
    from scored
),

final as (
    select
        segmented.as_of,
        segmented.customer_id,
        segmented.recency_days,
        segmented.rfm_frequency as frequency,
        segmented.rfm_monetary as monetary,
        segmented.r_score,
        segmented.f_score,
        segmented.m_score,
        segmented.rfm_segment,
        segments.rfm_segment_before as prev_segment,
        segments.entered_on as segment_changed_on
    from segmented
    left join segments
        on segmented.customer_id = segments.customer_id
)

select * from final
