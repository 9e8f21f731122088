{{ config(tags=['before_scores']) }}
{%- set line_margin = 'cast(round(cast(lines.net_amount as double) * linked.sale_margin_rate, 4) as decimal(18, 4))' %}

with refunds as (
    select * from {{ ref('order_margins') }}
    where kind = 'refund' and margin_rank > {{ margin_rank("'cost'") }}
),

sales as (
    select * from {{ ref('order_margins') }}
    where kind = 'sale' and amount_before_tax > 0
),

lines as (
    select * from {{ ref('order_lines_costed') }}
    where kind = 'refund'
),

-- What comes back takes its margin with it: a refund that does not state its cost gives back the share that its sale had.
linked as (
    select
        refunds.order_id,
        refunds.amount_before_tax,
        cast(sales.gross_margin as double) / nullif(cast(sales.amount_before_tax as double), 0) as sale_margin_rate,
        sales.margin_rank
    from refunds
    inner join sales
        on refunds.original_order_id = sales.order_id
),

line_totals as (
    select
        linked.order_id,
        sum({{ line_margin }}) as gross_margin
    from linked
    inner join lines
        on linked.order_id = lines.order_id
    group by linked.order_id
),

valued as (
    select
        *,
        cast(round(cast(amount_before_tax as double) * sale_margin_rate, 4) as decimal(18, 4)) as gross_margin
    from linked
),

final as (
    select
        valued.order_id,
        valued.sale_margin_rate,
        valued.margin_rank,
        valued.gross_margin,
        cast(valued.gross_margin - coalesce(line_totals.gross_margin, 0) as decimal(18, 4)) as margin_rest
    from valued
    left join line_totals
        on valued.order_id = line_totals.order_id
)

select * from final
