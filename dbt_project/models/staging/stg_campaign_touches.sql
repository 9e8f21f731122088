with source as (
    select * from {{ source('raw', 'campaign_touches') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        touch_id,
        campaign_id,
        source_customer_id,
        delivery_id,
        record_no,

        -- strings
        channel,
        status,
        {{ row_hash(['touch_id', 'campaign_id', 'source_customer_id', 'channel', 'status', 'cost_amount', 'touched_at']) }} as row_hash,
        {{ cast_errors(timestamps=['touched_at'], amounts=['cost_amount']) }},

        -- numerics
        {{ as_amount('cost_amount') }} as cost_amount,

        -- timestamps
        {{ as_timestamp('touched_at') }} as touched_at,
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
