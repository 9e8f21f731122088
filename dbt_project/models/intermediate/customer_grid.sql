{{ config(materialized='by_as_of', purposes=['tonight', 'grid'], fingerprints='grid_fingerprints', tags=['before_scores']) }}
-- depends_on: {{ ref('grid_fingerprints') }}

with {{ snapshot_inputs() }},

{{ customer_snapshot(as_of_now(), read=grid_conditions()) }},

{{ rfm_scores('snapshot') }},

{{ measures('snapshot') }},

classified as (
    select
        *,
        {{ var('tier_case') }} as tier,
        {{ var('stage_case') }} as lifecycle_stage
    from measures
),

segmented as (
    select
        customer_id,
        r_score,
        f_score,
        m_score,
        {{ rfm_segment() }} as rfm_segment
    from scored
),

final as (
    select
        classified.as_of,
        classified.customer_id,
        classified.tier,
        classified.lifecycle_stage,
        segmented.rfm_segment,
        segmented.r_score,
        segmented.f_score,
        segmented.m_score,
        {{- scheme_columns() }}
        classified.churned,
        classified.net_revenue_365d,
        classified.gross_margin_365d
    from classified
    left join segmented
        on classified.customer_id = segmented.customer_id
)

select * from final
