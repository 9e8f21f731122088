with source as (
    select * from {{ source('raw', 'customers') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        source_customer_id,
        delivery_id,
        record_no,
        owner_id,

        -- strings
        coalesce(customer_type, 'person') as customer_type,
        name,
        email,
        phone,
        country,
        province as region,
        acquisition_channel,
        {{ row_hash([
            'customer_type', 'name', 'email', 'phone', 'country', 'province', 'acquisition_channel', 'owner_id',
            'created_at', 'updated_at', 'is_active', 'is_deleted'
        ]) }} as row_hash,
        {{ first_cast_error(timestamps=['updated_at']) }} as cast_error,

        -- booleans
        coalesce({{ as_boolean('is_active') }}, true) as is_active,
        coalesce({{ as_boolean('is_deleted') }}, false) as is_deleted,

        -- timestamps
        {{ as_timestamp('created_at') }} as created_at,
        {{ as_timestamp('updated_at') }} as updated_at,
        {{ version_at() }} as version_at
    from source
)

select * from renamed
