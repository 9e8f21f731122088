{{ config(tags=['before_scores']) }}

with rejected as (
    select distinct
        source_system,
        source,
        delivery_id,
        {{ stable_id(['source_system', 'source', 'source_key']) }} as order_id
    from {{ ref('rejected_records_full') }}
    where feed = 'order_lines' and source_key is not null and not is_corrected
),

deliveries as (
    select * from {{ ref('deliveries_current') }}
),

lines as (
    select * from {{ ref('order_lines_current') }}
),

lacking as (
    select
        rejected.order_id,
        rejected.source,
        rejected.delivery_id,
        deliveries.version_at
    from rejected
    inner join deliveries
        on rejected.source = deliveries.source
        and rejected.delivery_id = deliveries.delivery_id
    where not deliveries.is_replaced
),

standing as (
    select distinct
        lines.order_id,
        lines.source,
        lines.delivery_id
    from lines
    inner join lacking
        on lines.order_id = lacking.order_id
),

newest as (
    select
        standing.order_id,
        max(deliveries.version_at) as version_at
    from standing
    inner join deliveries
        on standing.source = deliveries.source
        and standing.delivery_id = deliveries.delivery_id
    group by standing.order_id
),

-- A later delivery that brought the document's lines anew brought the rejected one as well, or says that it is gone.
final as (
    select distinct lacking.order_id
    from lacking
    left join newest
        on lacking.order_id = newest.order_id
    left join standing
        on lacking.order_id = standing.order_id
        and lacking.source = standing.source
        and lacking.delivery_id = standing.delivery_id
    where standing.order_id is not null or coalesce(lacking.version_at >= newest.version_at, true)
)

select * from final
