{#- What the rules add to the net amount of a document, from what it shows beside it; a refund gives it back. -#}
{%- set revenue = var('revenue') %}
{%- set besides = {'tax_amount': revenue.include_tax, 'shipping_amount': revenue.include_shipping, 'discount_amount': not revenue.deduct_discount} %}
{%- set terms = ['0'] %}
{%- for column, is_counted_besides in besides.items() if is_counted_besides %}
{%- set amount = 'coalesce(cast(raw_orders.' ~ column ~ ' as decimal(18, 4)), 0)' %}
{%- set shown = 'abs(' ~ amount ~ ')' if column == 'discount_amount' else amount %}
{%- do terms.append("case when orders.kind = 'refund' then -abs(" ~ amount ~ ") else " ~ shown ~ " end") %}
{%- endfor %}

-- Everything that should count, whether it does or not. A refund above zero is no refund: another test tells of it.
with orders as (
    select * from {{ ref('orders') }}
    where {{ is_counted('status') }} and not is_test and kind is not null and (kind = 'sale' or coalesce(net_amount_orig, 0) <= 0)
),

{{ numbered_deliveries() }},

raw_orders as (
    select
        said.*,
        numbered_deliveries.source_no,
        numbered_deliveries.delivery_no
    from {{ source('raw', 'orders') }} as said
    inner join numbered_deliveries
        on said.source = numbered_deliveries.source
        and said.delivery_id = numbered_deliveries.delivery_id
),

documents as (
    select
        orders.order_id,
        numbered_deliveries.source_no,
        orders.source_order_id,
        orders.kind,
        orders.currency,
        case when orders.is_valid then orders.net_amount_orig end as mart_amount,
        raw_orders.order_id is not null as is_in_raw,
        cast(raw_orders.net_amount as decimal(18, 4)) as stated_amount,
        {{ terms | join(' + ') }} as counted_besides
    from orders
    left join numbered_deliveries
        on orders.source = numbered_deliveries.source
        and orders.delivery_id = numbered_deliveries.delivery_id
    left join raw_orders
        on numbered_deliveries.delivery_no = raw_orders.delivery_no
        and orders.record_no = raw_orders.record_no
        and orders.source_order_id = raw_orders.order_id
),

-- Lines count where the document states no amount. A record may be read as several lines of one document: what such lines say tells
-- them apart, and equal ones stand alike.
standing_lines as (
    select
        numbered_deliveries.delivery_no,
        current_lines.record_no,
        {{ fingerprint(['current_lines.source_order_id', 'current_lines.row_hash']) }} as said
    from {{ ref('order_lines_current') }} as current_lines
    inner join documents
        on current_lines.order_id = documents.order_id
    inner join numbered_deliveries
        on current_lines.source = numbered_deliveries.source
        and current_lines.delivery_id = numbered_deliveries.delivery_id
    where documents.stated_amount is null and not current_lines.is_deleted
),

raw_lines as (
    select
        lines.order_id,
        lines.quantity,
        lines.unit_price,
        lines.net_amount,
        numbered_deliveries.source_no,
        numbered_deliveries.delivery_no,
        lines.record_no,
        {{ fingerprint(['lines.order_id', line_hash()]) }} as said
    from {{ source('raw', 'order_lines') }} as lines
    inner join numbered_deliveries
        on lines.source = numbered_deliveries.source
        and lines.delivery_id = numbered_deliveries.delivery_id
),

line_totals as (
    select
        source_no,
        order_id as source_order_id,
        sum(coalesce(
            cast(net_amount as decimal(18, 4)),
            cast(cast(quantity as decimal(28, 4)) * cast(unit_price as decimal(18, 4)) as decimal(18, 4))
        )) as net_amount
    from raw_lines
    where exists (
        select 1
        from standing_lines
        where raw_lines.delivery_no = standing_lines.delivery_no
            and raw_lines.record_no = standing_lines.record_no
            and raw_lines.said = standing_lines.said
    )
    group by source_no, order_id
),

totals as (
    select
        documents.kind,
        documents.currency,
        coalesce(
            sum(coalesce(documents.stated_amount, line_totals.net_amount) + documents.counted_besides) filter (where documents.is_in_raw), 0
        ) as raw_amount,
        coalesce(sum(documents.mart_amount), 0) as mart_amount
    from documents
    left join line_totals
        on documents.source_no = line_totals.source_no
        and documents.source_order_id = line_totals.source_order_id
    group by documents.kind, documents.currency
)

select * from totals
where raw_amount <> mart_amount
