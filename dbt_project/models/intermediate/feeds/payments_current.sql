{{ config(tags=['before_scores']) }}

with {{ standing_rows('payments') }},

final as (
    select
        -- ids
        source_system,
        source,
        payment_id,
        source_order_id,
        customer_no as source_customer_id,
        source_record_id,
        delivery_id,
        record_no,

        -- strings
        kind,
        method,
        currency,

        -- numerics
        amount,

        -- booleans
        is_deleted,
        is_orphan,
        is_prospect,

        -- timestamps
        paid_at
    from standing
)

select * from final
