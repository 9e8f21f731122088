{{ config(tags=['before_scores']) }}

with deliveries as (
    select * from {{ ref('stg_deliveries') }}
),

staged_orders as (
    select * from {{ ref('stg_orders') }}
),

staged_lines as (
    select * from {{ ref('stg_order_lines') }}
),

orders as (
    select * from {{ ref('orders_current') }}
),

lines as (
    select * from {{ ref('order_lines_current') }}
),

rejected_later as (
    select
        source,
        delivery_id,
        feed,
        count(*) as rejected
    from {{ ref('rejected_in_tables') }}
    group by source, delivery_id, feed
),

statuses as (
    select
        order_id,
        is_orphan,
        {{ is_counted('status') }} as is_counted
    from orders
),

-- What became of each record that was read, feed by feed: it stands in the tables, or its status keeps it out, or a newer one replaced it.
line_outcomes as (
    select
        lines.source,
        lines.delivery_id,
        'order_lines' as feed,
        count(*) as standing,
        count(*) filter (where statuses.is_counted and not statuses.is_orphan) as loaded
    from lines
    left join statuses
        on lines.order_id = statuses.order_id
    group by lines.source, lines.delivery_id
),

order_outcomes as (
    select
        orders.source,
        orders.delivery_id,
        'orders' as feed,
        count(*) filter (where not orders.is_orphan) as standing,
        count(*) filter (where statuses.is_counted and not orders.is_orphan) as loaded
    from orders
    inner join statuses
        on orders.order_id = statuses.order_id
    group by orders.source, orders.delivery_id
),

customer_outcomes as (
    select
        source,
        delivery_id,
        'customers' as feed,
        count(*) as standing,
        count(*) filter (where not is_deleted) as loaded
    from (
        select * from {{ ref('stg_customers') }}
        where cast_error is null
        qualify
            row_number() over (
                partition by source_system, source, source_customer_id
                order by updated_at desc nulls last, version_at desc nulls last, row_hash, record_no
            ) = 1
    )
    group by source, delivery_id
),

outcomes as (
    select * from line_outcomes

    union all

    select * from order_outcomes

    union all

    select * from customer_outcomes
),

staged as (
    select
        source,
        delivery_id,
        'order_lines' as feed,
        count(*) as staged,
        count(distinct source_order_id) as documents
    from staged_lines
    group by source, delivery_id

    union all

    select
        source,
        delivery_id,
        'orders' as feed,
        count(*) as staged,
        count(distinct source_order_id) as documents
    from staged_orders
    group by source, delivery_id

    union all

    select
        source,
        delivery_id,
        'customers' as feed,
        count(*) as staged,
        cast(null as bigint) as documents
    from {{ ref('stg_customers') }}
    group by source, delivery_id
),

counted as (
    select
        deliveries.delivery_id,
        deliveries.source_system,
        deliveries.source,
        deliveries.file,
        deliveries.feed,
        deliveries.records,
        staged.documents,
        deliveries.ignored,
        deliveries.rejected + coalesce(rejected_later.rejected, 0) as rejected,
        -- A feed that no table reads yet stands in the raw layer as it came.
        coalesce(staged.staged, deliveries.records - deliveries.ignored - deliveries.rejected) as staged,
        coalesce(rejected_later.rejected, 0) as rejected_later,
        case
            when staged.staged is null then deliveries.records - deliveries.ignored - deliveries.rejected
            else coalesce(outcomes.standing, 0)
        end as standing,
        case
            when staged.staged is null then deliveries.records - deliveries.ignored - deliveries.rejected
            else coalesce(outcomes.loaded, 0)
        end as loaded,
        deliveries.exported_at,
        deliveries.received_at
    from deliveries
    left join staged
        on deliveries.source = staged.source
        and deliveries.delivery_id = staged.delivery_id
        and deliveries.feed = staged.feed
    left join outcomes
        on deliveries.source = outcomes.source
        and deliveries.delivery_id = outcomes.delivery_id
        and deliveries.feed = outcomes.feed
    left join rejected_later
        on deliveries.source = rejected_later.source
        and deliveries.delivery_id = rejected_later.delivery_id
        and deliveries.feed = rejected_later.feed
),

final as (
    select
        delivery_id,
        source_system,
        source,
        file,
        feed,
        cast(records as bigint) as records,
        cast(documents as bigint) as documents,
        cast(loaded as bigint) as loaded,
        cast(staged - rejected_later - standing as bigint) as duplicates,
        cast(standing - loaded + ignored as bigint) as excluded,
        cast(rejected as bigint) as rejected,
        exported_at,
        received_at
    from counted
)

select * from final
