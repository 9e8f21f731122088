{{ config(tags=['before_scores']) }}
{%- set revenue = var('revenue') %}

with orders as (
    select * from {{ ref('orders') }}
    where is_valid
),

refund_links as (
    select * from {{ ref('refund_links') }}
    where sale_on <= {{ tonight() }} and refunded_on <= {{ tonight() }}
),

-- A refund lowers the revenue of its own day, or seen from the sales, that of the day on which was sold what it gives back.
documents as (
    select
        orders.order_date,
        coalesce(refund_links.sale_on, orders.order_date) as sale_date,
        orders.currency,
        orders.kind,
        count(*) as documents,
        sum(orders.net_amount_orig) as net_amount_orig,
        sum(orders.net_amount) as net_amount,
        sum(orders.tax_amount) as tax_amount,
        sum(orders.shipping_amount) as shipping_amount,
        sum(orders.discount_amount) as discount_amount,
        sum(orders.gross_margin) as gross_margin
    from orders
    left join refund_links
        on orders.order_id = refund_links.refund_order_id
    group by all
),

days as (
    select
        order_date as day,
        currency,
        'order_date' as seen_from,
        kind,
        documents,
        net_amount_orig,
        net_amount,
        tax_amount,
        shipping_amount,
        discount_amount,
        gross_margin
    from documents

    union all

    select
        sale_date as day,
        currency,
        'sale_date' as seen_from,
        kind,
        documents,
        net_amount_orig,
        net_amount,
        tax_amount,
        shipping_amount,
        discount_amount,
        gross_margin
    from documents
),

totals as (
    select
        day,
        currency,
        {%- for column, condition in {
            'sales': "kind = 'sale' and seen_from = 'order_date'",
            'refunds': "kind = 'refund' and seen_from = 'order_date'",
        }.items() %}
        coalesce(sum(documents) filter (where {{ condition }}), 0) as {{ column }},
        {%- endfor %}
        {%- for column in ['tax_amount', 'shipping_amount', 'discount_amount'] %}
        coalesce(sum({{ column }}) filter (where kind = 'sale' and seen_from = 'order_date'), 0) as {{ column }},
        {%- endfor %}
        coalesce(sum(net_amount_orig) filter (where kind = 'sale' and seen_from = 'order_date'), 0) as sales_amount_orig,
        coalesce(sum(net_amount_orig) filter (where kind = 'refund' and seen_from = 'order_date'), 0) as refund_amount_orig,
        coalesce(sum(net_amount) filter (where kind = 'sale' and seen_from = 'order_date'), 0) as sales_amount,
        coalesce(sum(net_amount) filter (where kind = 'refund' and seen_from = 'order_date'), 0) as refund_amount,
        coalesce(sum(net_amount) filter (where kind = 'refund' and seen_from = 'sale_date'), 0) as refund_amount_by_order_date,
        coalesce(sum(gross_margin) filter (where seen_from = 'order_date'), 0) as gross_margin,
        coalesce(sum(gross_margin) filter (where seen_from = 'sale_date'), 0) as gross_margin_by_order_date
    from days
    group by day, currency
),

final as (
    select
        day,
        currency,
        cast(sales as bigint) as sales,
        cast(refunds as bigint) as refunds,
        cast(
            sales_amount
            {%- if revenue.deduct_discount %} + discount_amount{% endif %}
            {%- if revenue.include_tax %} - tax_amount{% endif %}
            {%- if revenue.include_shipping %} - shipping_amount{% endif %} as decimal(18, 4)
        ) as gross_amount,
        cast(discount_amount as decimal(18, 4)) as discount_amount,
        cast(tax_amount as decimal(18, 4)) as tax_amount,
        cast(shipping_amount as decimal(18, 4)) as shipping_amount,
        cast(sales_amount_orig as decimal(18, 4)) as sales_amount_orig,
        cast(refund_amount_orig as decimal(18, 4)) as refund_amount_orig,
        cast(sales_amount_orig + refund_amount_orig as decimal(18, 4)) as net_revenue_orig,
        cast(sales_amount as decimal(18, 4)) as sales_amount,
        cast(refund_amount as decimal(18, 4)) as refund_amount,
        cast(refund_amount_by_order_date as decimal(18, 4)) as refund_amount_by_order_date,
        cast(sales_amount + refund_amount as decimal(18, 4)) as net_revenue,
        cast(sales_amount + refund_amount_by_order_date as decimal(18, 4)) as net_revenue_by_order_date,
        cast(gross_margin as decimal(18, 4)) as gross_margin,
        cast(gross_margin_by_order_date as decimal(18, 4)) as gross_margin_by_order_date
    from totals
)

select * from final
