with source as (
    select * from {{ source('raw', 'products') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        product_id,
        sku,
        delivery_id,
        record_no,

        -- strings
        name as product_name,
        category,
        {{ row_hash(['product_id', 'sku', 'name', 'category', 'list_price', 'unit_cost']) }} as row_hash,
        {{ cast_errors(amounts=['list_price', 'unit_cost']) }},

        -- numerics
        {{ as_amount('list_price') }} as list_price,
        {{ as_amount('unit_cost') }} as unit_cost,

        -- timestamps
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
