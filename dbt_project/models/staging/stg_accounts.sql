with source as (
    select * from {{ source('raw', 'accounts') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        account_id,
        parent_id as parent_account_id,
        owner_id,
        delivery_id,
        record_no,

        -- strings
        name as account_name,
        domain,
        industry,
        country,
        {{ row_hash(['account_id', 'parent_id', 'owner_id', 'name', 'domain', 'industry', 'country', 'created_at']) }} as row_hash,
        {{ cast_errors() }},

        -- timestamps
        {{ as_timestamp('created_at') }} as created_at,
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
