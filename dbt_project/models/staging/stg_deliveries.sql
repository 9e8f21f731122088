with source as (
    select * from {{ source('raw', 'deliveries') }}
),

renamed as (
    select
        -- ids
        delivery_id,
        source_system,
        source,
        corrects as corrected_delivery_id,

        -- strings
        file,
        currency,
        feed,
        coalesce(kind, feed) as kind,
        deliveries_mode,
        corrected_records,

        -- numerics
        cast(records as bigint) as records,
        cast(ignored as bigint) as ignored,
        cast(rejected as bigint) as rejected,

        -- booleans
        coalesce({{ as_boolean('direct_identifier') }}, false) as has_direct_identifiers,

        -- timestamps
        {{ as_timestamp('exported_at') }} as exported_at,
        {{ as_timestamp('received_at') }} as received_at,
        {{ as_timestamp('corrected_at') }} as corrected_at,
        {{ as_timestamp('coalesce(exported_at, received_at)') }} as version_at,
        {{ as_timestamp('archive_at') }} as archive_at
    from source
)

select * from renamed
