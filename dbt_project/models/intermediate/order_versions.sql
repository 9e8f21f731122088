{{ config(tags=['before_scores']) }}

with {{ standing_rows('orders', key=['source_order_id'], customer=true, before_row_hash=['ordered_at']) }},

final as (
    select
        -- ids
        {{ stable_id(['source_system', 'source', 'source_order_id']) }} as order_id,
        source_system,
        source,
        source_order_id,
        customer_no as source_customer_id,
        source_record_id,
        {{ stable_id(['source_system', 'source', 'original_source_order_id']) }} as original_order_id,
        campaign_id,
        owner_id,
        delivery_id,
        record_no,

        -- strings
        kind,
        status,
        channel,
        currency,
        case
            when tax_amount is not null or shipping_amount is not null then 'net'
            else 'total'
        end as amount_basis,

        -- numerics
        net_amount,
        cost_amount,
        fx_rate,

        -- booleans
        is_deleted,
        is_orphan,

        -- dates and timestamps
        ordered_at,
        {{ business_date('ordered_at') }} as order_on
    from standing
)

select * from final
