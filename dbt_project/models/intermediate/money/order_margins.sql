{{ config(tags=['before_scores']) }}

with orders as (
    select * from {{ ref('order_amounts') }}
),

lines as (
    select * from {{ ref('order_lines_valued') }}
),

line_totals as (
    select
        order_id,
        sum(net_amount) as net_amount,
        sum(cost_amount) as cost_amount,
        sum(gross_margin) as gross_margin,
        max({{ margin_rank('margin_source') }}) as margin_rank,
        min(line_no) as first_line_no
    from lines
    group by order_id
),

-- What is left over when the lines are rounded one by one falls upon the first of them.
rests as (
    select
        orders.order_id,
        orders.original_order_id,
        orders.kind,
        orders.amount_before_tax,
        orders.stated_cost,
        line_totals.gross_margin as lines_margin,
        line_totals.margin_rank,
        line_totals.first_line_no,
        orders.amount_before_tax - line_totals.net_amount as net_rest,
        case when orders.stated_cost is not null then orders.stated_cost - line_totals.cost_amount else 0 end as cost_rest
    from orders
    left join line_totals
        on orders.order_id = line_totals.order_id
),

final as (
    select
        order_id,
        original_order_id,
        kind,
        amount_before_tax,
        cast(case
            when lines_margin is not null then lines_margin + net_rest - cost_rest
            when stated_cost is not null then amount_before_tax - stated_cost
            else {{ product('amount_before_tax', 'cast(' ~ var('default_margin_rate') ~ ' as decimal(9, 6))') }}
        end as decimal(18, 4)) as gross_margin,
        cast(case
            when stated_cost is not null then {{ margin_rank("'cost'") }}
            else coalesce(margin_rank, {{ margin_rank("'default_rate'") }})
        end as integer) as margin_rank,
        first_line_no,
        cast(net_rest as decimal(18, 4)) as net_rest,
        cast(net_rest - cost_rest as decimal(18, 4)) as margin_rest
    from rests
)

select * from final
