-- Documents whose head states no amount, and what it shows beside it that the rules count.
{%- set revenue = var('revenue') %}
{%- set besides = {'tax_amount': revenue.include_tax, 'shipping_amount': revenue.include_shipping, 'discount_amount': not revenue.deduct_discount} %}
{%- set terms = ['0'] %}
{%- for column, is_counted_besides in besides.items() if is_counted_besides %}
{%- set amount = 'coalesce(staged_orders.' ~ column ~ ', 0)' %}
{%- set shown = 'abs(' ~ amount ~ ')' if column == 'discount_amount' else amount %}
{%- do terms.append("case when current_orders.kind = 'refund' then -abs(" ~ amount ~ ") else " ~ shown ~ " end") %}
{%- endfor %}

with heads as (
    select
        current_orders.order_id,
        {{ terms | join(' + ') }} as counted_besides
    from {{ ref('orders_current') }} as current_orders
    inner join {{ ref('stg_orders') }} as staged_orders
        on current_orders.source_system = staged_orders.source_system
        and current_orders.source = staged_orders.source
        and current_orders.source_order_id = staged_orders.source_order_id
        and current_orders.delivery_id = staged_orders.delivery_id
        and current_orders.record_no = staged_orders.record_no
    where staged_orders.net_amount is null
),

line_totals as (
    select
        order_id,
        sum(net_amount_orig) as net_amount_orig
    from {{ ref('order_lines') }}
    group by order_id
)

select
    orders.order_id,
    orders.net_amount_orig,
    line_totals.net_amount_orig as lines_amount_orig
from {{ ref('orders') }} as orders
inner join heads
    on orders.order_id = heads.order_id
left join line_totals
    on orders.order_id = line_totals.order_id
where coalesce(orders.net_amount_orig, 0) <> coalesce(line_totals.net_amount_orig + heads.counted_besides, 0)
