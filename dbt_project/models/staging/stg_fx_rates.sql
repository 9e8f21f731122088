with source as (
    select * from {{ source('raw', 'fx_rates') }}
),

renamed as (
    select
        -- ids
        delivery_id,
        record_no,

        -- strings
        currency,
        {{ row_hash(['currency', '"on"', 'rate']) }} as row_hash,
        case
            when {{ dbt.safe_cast('rate', 'decimal(18, 8)') }} is null then 'rate'
            when {{ as_date('"on"') }} is null then 'on'
        end as cast_error,

        -- numerics
        {{ dbt.safe_cast('rate', 'decimal(18, 8)') }} as rate,

        -- dates and timestamps
        {{ as_date('"on"') }} as valid_from,
        {{ version_at() }} as version_at
    from source
)

select * from renamed
