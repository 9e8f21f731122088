with delivered as (
    select distinct
        source_system,
        source,
        order_id as source_order_id
    from {{ source('raw', 'orders') }}
),

standing as (
    select
        source_system,
        source,
        source_order_id
    from {{ ref('orders_current') }}
),

rejected as (
    select distinct
        source_system,
        source,
        source_order_id
    from {{ ref('stg_orders') }}
    where cast_error is not null
)

select delivered.*
from delivered
left join standing
    on delivered.source_system = standing.source_system
    and delivered.source = standing.source
    and delivered.source_order_id = standing.source_order_id
left join rejected
    on delivered.source_system = rejected.source_system
    and delivered.source = rejected.source
    and delivered.source_order_id = rejected.source_order_id
where standing.source_order_id is null and rejected.source_order_id is null
