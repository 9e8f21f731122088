{{ config(tags=['before_scores']) }}

with metric_catalog as (
    select * from {{ source('run', 'metric_catalog') }}
),

final as (
    select
        kind,
        metric,
        zh,
        en,
        description,
        formula,
        unit,
        grain,
        edge_cases,
        tables,
        feeds,
        used_in,
        owner
    from metric_catalog
)

select * from final
