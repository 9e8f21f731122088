{{ config(tags=['before_identity']) }}

with deliveries as (
    select
        *,
        -- An archive is one export, whatever the clock said when each of its members was packed or last changed.
        case when archive_at > version_at then archive_at else version_at end as complete_at
    from {{ ref('stg_deliveries') }}
),

-- A system may write several kinds of file for one feed; a full export of one kind says nothing of the others.
newest_full as (
    select
        source,
        kind,
        max(complete_at) as complete_at
    from deliveries
    where deliveries_mode = 'full'
    group by source, kind
),

final as (
    select
        deliveries.delivery_id,
        deliveries.source_system,
        deliveries.source,
        deliveries.file,
        deliveries.currency,
        deliveries.feed,
        deliveries.kind,
        deliveries.deliveries_mode,
        deliveries.records,
        deliveries.ignored,
        deliveries.rejected,
        deliveries.exported_at,
        deliveries.received_at,
        deliveries.version_at,
        deliveries.corrected_at,
        coalesce(deliveries.complete_at < newest_full.complete_at, false) as is_replaced
    from deliveries
    left join newest_full
        on deliveries.source = newest_full.source
        and deliveries.kind = newest_full.kind
)

select * from final
