with source as (
    select * from {{ source('raw', 'payments') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        payment_id,
        order_id as source_order_id,
        source_customer_id,
        delivery_id,
        record_no,

        -- strings
        kind,
        method,
        currency,
        {{ row_hash(['payment_id', 'order_id', 'source_customer_id', 'kind', 'method', 'currency', 'amount', 'paid_at']) }} as row_hash,
        {{ cast_errors(timestamps=['paid_at'], amounts=['amount']) }},

        -- numerics
        {{ as_amount('amount') }} as amount,

        -- timestamps
        {{ as_timestamp('paid_at') }} as paid_at,
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
