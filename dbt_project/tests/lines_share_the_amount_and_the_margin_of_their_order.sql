{%- set revenue = var('revenue') %}
with line_totals as (
    select
        order_id,
        sum(net_amount) as net_amount,
        sum(gross_margin) as gross_margin
    from {{ ref('order_lines') }}
    group by order_id
)

select
    orders.order_id,
    orders.net_amount,
    line_totals.net_amount as lines_amount,
    orders.gross_margin,
    line_totals.gross_margin as lines_margin
from {{ ref('orders') }} as orders
inner join line_totals
    on orders.order_id = line_totals.order_id
{#- The tax of a document and the document without it are rounded one by one. #}
where abs(orders.net_amount{% if revenue.include_tax %} - orders.tax_amount{% endif %} - line_totals.net_amount) > {% if revenue.include_tax %}0.0001{% else %}0{% endif %}
    or orders.gross_margin <> line_totals.gross_margin
