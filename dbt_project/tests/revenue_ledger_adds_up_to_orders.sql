{%- set revenue = var('revenue') %}
with ledger as (
    select
        currency,
        sum(sales) as sales,
        sum(refunds) as refunds,
        sum(net_revenue_orig) as net_revenue_orig,
        sum(net_revenue) as net_revenue,
        sum(net_revenue_by_order_date) as net_revenue_by_order_date,
        sum(gross_margin) as gross_margin,
        sum(gross_margin_by_order_date) as gross_margin_by_order_date,
        sum(
            gross_amount
            {%- if revenue.deduct_discount %} - discount_amount{% endif %}
            {%- if revenue.include_tax %} + tax_amount{% endif %}
            {%- if revenue.include_shipping %} + shipping_amount{% endif %}
            + refund_amount
        ) as parts
    from {{ ref('revenue_ledger') }}
    group by currency
),

orders as (
    select
        currency,
        count(*) filter (where kind = 'sale') as sales,
        count(*) filter (where kind = 'refund') as refunds,
        sum(net_amount_orig) as net_revenue_orig,
        sum(net_amount) as net_revenue,
        sum(gross_margin) as gross_margin
    from {{ ref('orders') }}
    where is_valid
    group by currency
)

select
    coalesce(ledger.currency, orders.currency) as currency,
    ledger.net_revenue,
    ledger.net_revenue_by_order_date,
    orders.net_revenue as net_revenue_of_orders
from ledger
full join orders
    on ledger.currency = orders.currency
where ledger.currency is null
    or orders.currency is null
    or ledger.sales <> orders.sales
    or ledger.refunds <> orders.refunds
    or ledger.net_revenue_orig <> orders.net_revenue_orig
    or ledger.net_revenue <> orders.net_revenue
    or ledger.net_revenue_by_order_date <> orders.net_revenue
    or ledger.gross_margin <> orders.gross_margin
    or ledger.gross_margin_by_order_date <> orders.gross_margin
    or ledger.parts <> orders.net_revenue
