with source as (
    select * from {{ source('raw', 'customers') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        source_customer_id,
        merged_into,
        account_id,
        owner_id,
        referrer_id,
        delivery_id,
        record_no,

        -- strings
        coalesce(customer_type, 'person') as customer_type,
        coalesce(name, nullif(trim(coalesce(first_name, '') || ' ' || coalesce(last_name, '')), ''), company_name) as name,
        company_name,
        email,
        phone,
        wechat_id,
        qq,
        gender,
        country,
        province as region,
        city,
        industry,
        acquisition_channel,
        membership_level,
        tags,
        extra,
        {{ row_hash([
            'source_customer_id', 'customer_type', 'name', 'first_name', 'last_name', 'company_name', 'email', 'phone', 'wechat_id',
            'qq', 'birth_date', 'gender', 'country', 'province', 'city', 'industry', 'acquisition_channel', 'owner_id', 'account_id',
            'membership_level', 'tags', 'referrer_id', 'created_at', 'updated_at', 'is_active', 'is_deleted', 'merged_into'
        ]) }} as row_hash,
        {{ cast_errors() }},

        -- booleans
        coalesce({{ as_boolean('is_active') }}, true) as is_active,
        coalesce({{ as_boolean('is_deleted') }}, false) as is_deleted,

        -- dates
        {{ as_date('birth_date') }} as birth_date,

        -- timestamps
        {{ as_timestamp('created_at') }} as created_at,
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
