with source as (
    select * from {{ source('raw', 'consents') }}
),

deliveries as (
    select * from {{ ref('stg_deliveries') }}
),

-- A statement that has no date of its own is as old as the export it stands in, which may have come again since it was read.
dated as (
    select
        source.*,
        case when source.at = coalesce(source.exported_at, source.received_at) then deliveries.version_at end as export_at
    from source
    left join deliveries
        on source.source = deliveries.source
        and source.delivery_id = deliveries.delivery_id
),

renamed as (
    select
        -- ids
        source_system,
        source,
        source_customer_id,
        delivery_id,
        record_no,

        -- strings
        channel,
        purpose,
        state,
        {{ row_hash(['source_customer_id', 'channel', 'purpose', 'state', '"at"']) }} as row_hash,
        {{ cast_errors(timestamps=['"at"']) }},

        -- timestamps
        coalesce(export_at, {{ as_timestamp('"at"') }}) as stated_at
    from dated
)

select * from renamed
