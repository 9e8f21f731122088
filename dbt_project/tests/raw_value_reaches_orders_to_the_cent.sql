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

documents as (
    select
        orders.order_id,
        orders.source_system,
        orders.source,
        orders.source_order_id,
        orders.kind,
        orders.currency,
        case when orders.is_valid then orders.net_amount_orig end as mart_amount,
        raw_orders.order_id is not null as is_in_raw,
        cast(raw_orders.net_amount as decimal(18, 4)) as stated_amount,
        {{ terms | join(' + ') }} as counted_besides
    from orders
    left join {{ source('raw', 'orders') }} as raw_orders
        on orders.source = raw_orders.source
        and orders.source_order_id = raw_orders.order_id
        and orders.delivery_id = raw_orders.delivery_id
        and orders.record_no = raw_orders.record_no
),

-- Lines count where the document states no amount.
standing_lines as (
    select
        current_lines.source,
        current_lines.source_order_id,
        current_lines.delivery_id,
        current_lines.record_no,
        current_lines.row_hash
    from {{ ref('order_lines_current') }} as current_lines
    inner join documents
        on current_lines.order_id = documents.order_id
    where documents.stated_amount is null and not current_lines.is_deleted
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
        sum(coalesce(
            cast(net_amount as decimal(18, 4)),
            cast(cast(quantity as decimal(28, 4)) * cast(unit_price as decimal(18, 4)) as decimal(18, 4))
        )) as net_amount
    from raw_lines
    where exists (
        select 1
        from standing_lines
        where raw_lines.source = standing_lines.source
            and raw_lines.order_id = standing_lines.source_order_id
            and raw_lines.delivery_id = standing_lines.delivery_id
            and raw_lines.record_no = standing_lines.record_no
            and raw_lines.row_hash = standing_lines.row_hash
    )
    group by source_system, source, order_id
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
        on documents.source_system = line_totals.source_system
        and documents.source = line_totals.source
        and documents.source_order_id = line_totals.source_order_id
    group by documents.kind, documents.currency
)

select * from totals
where raw_amount <> mart_amount
