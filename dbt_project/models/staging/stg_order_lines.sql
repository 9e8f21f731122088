with source as (
    select * from {{ source('raw', 'order_lines') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        order_id as source_order_id,
        {{ dbt.safe_cast('line_no', 'integer') }} as source_line_no,
        product_id,
        delivery_id,
        record_no,

        -- strings
        description,
        category,
        {{ line_hash() }} as row_hash,
        {{ cast_errors(amounts=['quantity', 'unit_price', 'net_amount', 'cost_amount'], integers=['line_no']) }},

        -- numerics
        {{ as_amount('quantity') }} as quantity,
        {{ as_amount('unit_price') }} as unit_price,
        -- A line that does not show its total is worth quantity times price.
        coalesce(
            {{ as_amount('net_amount') }},
            cast({{ product(as_amount('quantity'), as_amount('unit_price')) }} as decimal(18, 4))
        ) as net_amount,
        {{ as_amount('cost_amount') }} as cost_amount,

        -- booleans
        coalesce({{ as_boolean('is_deleted') }}, false) as is_deleted,

        -- timestamps
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
