{{ config(tags=['before_scores']) }}

with published as (
    select * from {{ source('run', 'published_states') }}
),

grid as (
    select * from {{ ref('customer_grid') }}
),

id_history as (
    select * from {{ ref('customer_id_history') }}
),

-- Whoever was joined to another since is compared with what that customer was; several may have become one.
followed as (
    select
        published.*,
        coalesce(id_history.customer_id, published.customer_id) as customer_id_now
    from published
    left join id_history
        on published.customer_id = id_history.old_customer_id
),

compared as (
    select
        followed.as_of,
        case when grid.tier = followed.tier or followed.tier is null then 0 else 1 end as is_other_tier,
        case when grid.lifecycle_stage = followed.lifecycle_stage or followed.lifecycle_stage is null then 0 else 1 end as is_other_stage,
        case when coalesce(grid.rfm_segment, '') = coalesce(followed.rfm_segment, '') then 0 else 1 end as is_other_segment
    from followed
    left join grid
        on followed.as_of = grid.as_of
        and followed.customer_id_now = grid.customer_id
),

final as (
    select
        as_of,
        count(*) as published_customers,
        cast(sum(is_other_tier) as bigint) as restated_tiers,
        cast(sum(is_other_stage) as bigint) as restated_stages,
        cast(sum(is_other_segment) as bigint) as restated_segments
    from compared
    group by as_of
)

select * from final
