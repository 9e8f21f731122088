with source as (
    select * from {{ source('raw', 'contacts') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        contact_id,
        source_customer_id,
        delivery_id,
        record_no,

        -- strings
        name,
        email,
        phone,
        title,
        {{ row_hash(['contact_id', 'source_customer_id', 'name', 'email', 'phone', 'title', 'is_primary', 'left_at']) }} as row_hash,
        {{ cast_errors() }},

        -- booleans
        {{ as_boolean('is_primary') }} as is_primary,

        -- timestamps
        {{ as_timestamp('left_at') }} as left_at,
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
