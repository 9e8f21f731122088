{{ config(tags=['before_scores']) }}

with lines as (
    select * from {{ ref('order_lines_valued') }}
),

orders as (
    select * from {{ ref('orders') }}
),

margins as (
    select * from {{ ref('order_margins') }}
),

refund_margins as (
    select * from {{ ref('refund_margins') }}
),

-- What rounding left over falls upon the first line, so that the lines add up to their document.
final as (
    select
        lines.order_id,
        lines.line_no,
        orders.source,
        orders.customer_id,
        orders.order_date,
        lines.product_id,
        lines.description,
        lines.category,
        lines.quantity,
        lines.unit_price as unit_price_orig,
        lines.stated_amount_orig as net_amount_orig,
        cast(
            lines.net_amount + case when lines.line_no = margins.first_line_no then margins.net_rest else 0 end as decimal(18, 4)
        ) as net_amount,
        cast(
            case
                when refund_margins.order_id is null
                    then lines.gross_margin + case when lines.line_no = margins.first_line_no then margins.margin_rest else 0 end
                else cast(round(cast(lines.net_amount as double) * refund_margins.sale_margin_rate, 4) as decimal(18, 4))
                    + case when lines.line_no = margins.first_line_no then refund_margins.margin_rest else 0 end
            end as decimal(18, 4)
        ) as gross_margin,
        case when refund_margins.order_id is null then lines.margin_source else orders.margin_source end as margin_source,
        orders.currency,
        orders.kind,
        orders.is_valid,
        orders.is_purchase,
        lines.delivery_id,
        lines.record_no
    from lines
    inner join orders
        on lines.order_id = orders.order_id
    inner join margins
        on lines.order_id = margins.order_id
    left join refund_margins
        on lines.order_id = refund_margins.order_id
)

select * from final
