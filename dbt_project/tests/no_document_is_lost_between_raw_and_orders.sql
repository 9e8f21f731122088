-- Every document that any row of raw tells of readably, and every one in the tables, once each.
with delivered as (
    select distinct
        source_system,
        source,
        order_id as source_order_id
    from {{ source('raw', 'orders') }} as raw_orders
    where not exists (
        select 1
        from {{ ref('stg_orders') }} as unreadable
        where unreadable.cast_error is not null
            and unreadable.source = raw_orders.source
            and unreadable.delivery_id = raw_orders.delivery_id
            and unreadable.record_no = raw_orders.record_no
            and unreadable.source_order_id = raw_orders.order_id
    )
),

standing as (
    select
        source_system,
        source,
        source_order_id,
        count(*) as times
    from {{ ref('orders_current') }}
    group by source_system, source, source_order_id
)

select
    coalesce(delivered.source_system, standing.source_system) as source_system,
    coalesce(delivered.source, standing.source) as source,
    coalesce(delivered.source_order_id, standing.source_order_id) as source_order_id,
    delivered.source_order_id is not null as is_delivered,
    coalesce(standing.times, 0) as times
from delivered
full join standing
    on delivered.source_system = standing.source_system
    and delivered.source = standing.source
    and delivered.source_order_id = standing.source_order_id
where delivered.source_order_id is null or standing.times is distinct from 1
