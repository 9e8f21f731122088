with source as (
    select * from {{ source('raw', 'points') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        entry_id,
        source_customer_id,
        delivery_id,
        record_no,

        -- strings
        reason,
        {{ row_hash(['entry_id', 'source_customer_id', 'reason', 'delta', '"at"', 'expires_at']) }} as row_hash,
        {{ cast_errors(timestamps=['"at"', 'expires_at'], amounts=['delta']) }},

        -- numerics
        {{ as_amount('delta') }} as delta,

        -- timestamps
        {{ as_timestamp('"at"') }} as booked_at,
        {{ as_timestamp('expires_at') }} as expires_at,
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
