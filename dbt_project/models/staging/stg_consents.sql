with source as (
    select * from {{ source('raw', 'consents') }}
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
        {{ as_timestamp('"at"') }} as stated_at,
        {{ version_at() }} as version_at
    from source
)

select * from renamed
