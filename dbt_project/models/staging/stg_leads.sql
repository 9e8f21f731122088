with source as (
    select * from {{ source('raw', 'leads') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        lead_id,
        converted_customer_id,
        delivery_id,
        record_no,

        -- strings
        name,
        email,
        phone,
        acquisition_channel,
        status,
        {{ row_hash([
            'lead_id', 'converted_customer_id', 'name', 'email', 'phone', 'acquisition_channel', 'status',
            'created_at'
        ]) }} as row_hash,
        {{ cast_errors() }},

        -- timestamps
        {{ as_timestamp('created_at') }} as created_at,
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
