{{ config(tags=['before_scores']) }}

with {{ standing_rows('products') }},

final as (
    select
        -- ids
        source_system,
        source,
        product_id,
        sku,
        delivery_id,
        record_no,

        -- strings
        product_name,
        category,

        -- numerics
        list_price,
        unit_cost,

        -- booleans
        is_deleted
    from standing
)

select * from final
