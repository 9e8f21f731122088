with source as (
    select * from {{ source('raw', 'deliveries') }}
),

renamed as (
    select
        -- ids
        delivery_id,
        source_system,
        source,

        -- strings
        file,
        currency,
        feed,
        coalesce(kind, feed) as kind,
        deliveries_mode,

        -- numerics
        cast(records as bigint) as records,
        cast(ignored as bigint) as ignored,
        cast(rejected as bigint) as rejected,

        -- timestamps
        {{ as_timestamp('exported_at') }} as exported_at,
        {{ as_timestamp('received_at') }} as received_at,
        {{ version_at() }} as version_at
    from source
)

select * from renamed
