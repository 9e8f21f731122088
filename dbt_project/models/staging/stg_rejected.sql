with source as (
    select * from {{ source('raw', 'rejected') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        delivery_id,
        record_no,
        source_key,

        -- strings
        feed,
        file,
        code,
        column_name,
        raw_value
    from source
)

select * from renamed
