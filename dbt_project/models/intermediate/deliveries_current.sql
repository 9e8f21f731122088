{{ config(tags=['before_identity']) }}

with deliveries as (
    select
        *,
        case when contains(file, '#') then split_part(file, '#', 1) end as archive
    from {{ ref('stg_deliveries') }}
),

-- A system may write several kinds of file for one feed; a full export of one kind says nothing of the others.
newest_full as (
    select
        source,
        kind,
        max(version_at) as version_at,
        max_by(archive, version_at) as archive
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
        -- An archive is one export, whatever the clock said when each of its members was packed.
        coalesce(
            deliveries.version_at < newest_full.version_at
            and coalesce(deliveries.archive <> newest_full.archive, true),
            false
        ) as is_replaced
    from deliveries
    left join newest_full
        on deliveries.source = newest_full.source
        and deliveries.kind = newest_full.kind
)

select * from final
