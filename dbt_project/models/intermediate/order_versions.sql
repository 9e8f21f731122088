{{ config(tags=['before_scores']) }}

with {{ standing_rows('orders', key=['source_order_id'], customer=true, before_row_hash=['kind desc', 'ordered_at']) }},

heads as (
    select
        source_system,
        source,
        source_order_id,
        delivery_id,
        record_no
    from {{ ref('stg_orders') }}
    where cast_error is null
),

-- Where a sale and its refund are read from one record, what the newest version of the record says of the sale alone is that
-- nothing is refunded any more.
refunds_of_records as (
    select
        refunds.source_system,
        refunds.source,
        refunds.source_order_id,
        refunds.original_source_order_id
    from standing as refunds
    inner join heads
        on refunds.source_system = heads.source_system
        and refunds.source = heads.source
        and refunds.delivery_id = heads.delivery_id
        and refunds.record_no = heads.record_no
        and refunds.original_source_order_id = heads.source_order_id
),

taken_back as (
    select
        refunds_of_records.source_system,
        refunds_of_records.source,
        refunds_of_records.source_order_id
    from refunds_of_records
    inner join standing as sales
        on refunds_of_records.source_system = sales.source_system
        and refunds_of_records.source = sales.source
        and refunds_of_records.original_source_order_id = sales.source_order_id
    left join heads
        on refunds_of_records.source_system = heads.source_system
        and refunds_of_records.source = heads.source
        and refunds_of_records.source_order_id = heads.source_order_id
        and sales.delivery_id = heads.delivery_id
        and sales.record_no = heads.record_no
    where heads.source_order_id is null
),

documents as (
    select
        standing.*,
        taken_back.source_order_id is not null as is_taken_back
    from standing
    left join taken_back
        on standing.source_system = taken_back.source_system
        and standing.source = taken_back.source
        and standing.source_order_id = taken_back.source_order_id
),

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
        tax_amount,
        shipping_amount,
        discount_amount,
        cost_amount,
        fx_rate,

        -- booleans
        is_deleted or is_taken_back as is_deleted,
        is_orphan and not is_taken_back as is_orphan,

        -- dates and timestamps
        ordered_at,
        {{ business_date('ordered_at') }} as order_on
    from documents
)

select * from final
