{{ config(materialized='view', tags=['before_scores']) }}

with lines as (
    select * from {{ ref('order_lines_costed') }}
),

rates as (
    select * from {{ ref('category_margin_rates') }}
),

final as (
    select
        lines.order_id,
        lines.line_no,
        lines.product_id,
        lines.description,
        lines.category,
        lines.quantity,
        lines.unit_price,
        lines.stated_amount_orig,
        lines.net_amount,
        lines.cost_amount,
        case
            when lines.cost_amount is not null then cast(lines.net_amount - lines.cost_amount as decimal(18, 4))
            else cast({{ product(
                'lines.net_amount', 'coalesce(rates.margin_rate, cast(' ~ var('default_margin_rate') ~ ' as decimal(9, 6)))'
            ) }} as decimal(18, 4))
        end as gross_margin,
        case
            when lines.cost_source is not null then lines.cost_source
            when rates.margin_rate is not null then 'category_rate'
            else 'default_rate'
        end as margin_source,
        lines.delivery_id,
        lines.record_no
    from lines
    left join rates
        on lines.cost_source is null
        and lines.category = rates.category
        and lines.month = rates.month
)

select * from final
