with source as (
    select * from {{ source('raw', 'fx_rates') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        delivery_id,
        record_no,

        -- strings
        currency,
        {{ row_hash(['currency', '"on"', 'rate']) }} as row_hash,
        {{ cast_errors(dates=['"on"'], rates=['rate']) }},

        -- numerics
        {{ as_rate('rate') }} as rate,

        -- dates and timestamps
        {{ as_date('"on"') }} as valid_from
    from source
)

select * from renamed
