with source as (
    select * from {{ source('raw', 'orders') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        order_id as source_order_id,
        source_customer_id,
        original_order_id as original_source_order_id,
        delivery_id,
        record_no,
        campaign_id,
        owner_id,

        -- strings
        status,
        kind,
        channel,
        currency,
        {{ row_hash([
            'source_customer_id', 'ordered_at', 'status', 'kind', 'original_order_id', 'channel', 'currency', 'gross_amount',
            'discount_amount', 'tax_amount', 'shipping_amount', 'net_amount', 'fx_rate', 'cost_amount', 'campaign_id', 'owner_id'
        ]) }} as row_hash,
        {{ cast_errors(
            timestamps=['ordered_at'],
            amounts=['gross_amount', 'discount_amount', 'tax_amount', 'shipping_amount', 'net_amount', 'cost_amount'],
            rates=['fx_rate']
        ) }},

        -- numerics
        {{ as_amount('gross_amount') }} as gross_amount,
        {{ as_amount('discount_amount') }} as discount_amount,
        {{ as_amount('tax_amount') }} as tax_amount,
        {{ as_amount('shipping_amount') }} as shipping_amount,
        {{ as_amount('net_amount') }} as net_amount,
        {{ as_amount('cost_amount') }} as cost_amount,
        {{ as_rate('fx_rate') }} as fx_rate,

        -- timestamps
        {{ as_timestamp('ordered_at') }} as ordered_at,
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
