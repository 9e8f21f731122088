{#- What the rules add to the net amount of a document, from what it shows beside it; a refund gives it back. -#}
{%- set revenue = var('revenue') %}
{%- set besides = {'tax_amount': revenue.include_tax, 'shipping_amount': revenue.include_shipping, 'discount_amount': not revenue.deduct_discount} %}
{%- set terms = ['0'] %}
{%- for column, is_counted_besides in besides.items() if is_counted_besides %}
{%- set amount = 'coalesce(cast(raw_orders.' ~ column ~ ' as decimal(18, 4)), 0)' %}
{%- set shown = 'abs(' ~ amount ~ ')' if column == 'discount_amount' else amount %}
{%- do terms.append("case when current_orders.kind = 'refund' then -abs(" ~ amount ~ ") else " ~ shown ~ " end") %}
{%- endfor %}

-- Everything that should count, whether it does or not. A refund above zero is no refund: another test tells of it.
with orders as (
    select * from {{ ref('orders') }}
    where {{ is_counted('status') }} and not is_test and kind is not null and (kind = 'sale' or coalesce(net_amount_orig, 0) <= 0)
),

heads as (
    select
        current_orders.order_id,
        cast(raw_orders.net_amount as decimal(18, 4)) as net_amount,
        {{ terms | join(' + ') }} as counted_besides
    from {{ ref('orders_current') }} as current_orders
    inner join {{ source('raw', 'orders') }} as raw_orders
        on current_orders.source_system = raw_orders.source_system
        and current_orders.source = raw_orders.source
        and current_orders.source_order_id = raw_orders.order_id
        and current_orders.delivery_id = raw_orders.delivery_id
        and current_orders.record_no = raw_orders.record_no
),

raw_lines as (
    select
        *,
        {{ line_hash() }} as row_hash
    from {{ source('raw', 'order_lines') }}
),

-- A record may be read as several lines of one document: what such lines say tells them apart, and equal ones stand alike.
line_totals as (
    select
        source_system,
        source,
        order_id as source_order_id,
        sum(cast(coalesce(
            cast(net_amount as decimal(18, 4)),
            cast(quantity as decimal(28, 4)) * cast(unit_price as decimal(18, 4))
        ) as decimal(18, 4))) as net_amount
    from raw_lines
    where exists (
        select 1
        from {{ ref('order_lines_current') }} as current_lines
        where raw_lines.source_system = current_lines.source_system
            and raw_lines.source = current_lines.source
            and raw_lines.order_id = current_lines.source_order_id
            and raw_lines.delivery_id = current_lines.delivery_id
            and raw_lines.record_no = current_lines.record_no
            and raw_lines.row_hash = current_lines.row_hash
            and not current_lines.is_deleted
    )
    group by source_system, source, order_id
),

totals as (
    select
        orders.kind,
        orders.currency,
        coalesce(sum(coalesce(heads.net_amount, line_totals.net_amount) + heads.counted_besides), 0) as raw_amount,
        coalesce(sum(orders.net_amount_orig) filter (where orders.is_valid), 0) as mart_amount
    from orders
    left join heads
        on orders.order_id = heads.order_id
    left join line_totals
        on orders.source_system = line_totals.source_system
        and orders.source = line_totals.source
        and orders.source_order_id = line_totals.source_order_id
    group by orders.kind, orders.currency
)

select * from totals
where raw_amount <> mart_amount
