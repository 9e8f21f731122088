{{ config(tags=['before_scores']) }}

with orders as (
    select * from {{ ref('order_amounts') }}
),

margins as (
    select * from {{ ref('order_margins') }}
),

refund_margins as (
    select * from {{ ref('refund_margins') }}
),

final as (
    select
        orders.order_id,
        orders.source_system,
        orders.source,
        orders.source_order_id,
        orders.customer_id,
        orders.original_order_id,
        orders.owner_id,
        orders.campaign_id,
        orders.kind,
        orders.status,
        orders.channel,
        orders.currency,
        orders.amount_basis,
        {{ margin_of_rank('coalesce(refund_margins.margin_rank, margins.margin_rank)') }} as margin_source,
        orders.net_amount_orig,
        orders.net_amount,
        orders.tax_amount,
        orders.shipping_amount,
        orders.discount_amount,
        coalesce(refund_margins.gross_margin, margins.gross_margin) as gross_margin,
        orders.is_deleted,
        orders.is_orphan,
        orders.is_test,
        orders.is_valid,
        orders.is_sum_of_lines,
        orders.has_rejected_lines,
        orders.ordered_at,
        orders.order_on,
        orders.delivery_id,
        orders.record_no
    from orders
    inner join margins
        on orders.order_id = margins.order_id
    left join refund_margins
        on orders.order_id = refund_margins.order_id
)

select * from final
