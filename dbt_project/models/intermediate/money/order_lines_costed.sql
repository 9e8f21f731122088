{{ config(tags=['before_scores']) }}
{%- set base_currency = literal(var('base_currency')) %}
{#- A line's part of what its document is worth or costs beyond its lines: by what it is worth, equally among lines worth nothing. #}
{%- set weight -%}
case
    when lines_absolute_amount > 0 then cast(abs(stated_amount) as double) / cast(lines_absolute_amount as double)
    else cast(1 as double) / nullif(lines, 0)
end
{%- endset %}

with lines as (
    select * from {{ ref('order_lines_current') }}
    where not is_deleted
),

orders as (
    select * from {{ ref('order_amounts') }}
),

products as (
    select * from {{ ref('products_current') }}
),

deliveries as (
    select * from {{ ref('deliveries_current') }}
),

rates as (
    select * from {{ ref('fx_rates_current') }}
    where not is_deleted
),

-- The unit cost of a product is written in the currency of its source.
priced_products as (
    select
        products.source_system,
        products.source,
        products.product_id,
        products.category,
        products.unit_cost,
        deliveries.currency
    from products
    inner join deliveries
        on products.source = deliveries.source
        and products.delivery_id = deliveries.delivery_id
),

joined as (
    select
        lines.order_id,
        lines.line_no,
        lines.product_id,
        lines.description,
        coalesce(lines.category, products.category) as category,
        lines.unit_price,
        lines.delivery_id,
        lines.record_no,
        orders.kind,
        orders.is_valid,
        orders.order_on,
        orders.base_rate,
        orders.stated_cost_orig,
        orders.lines_cost,
        orders.lines_with_cost = orders.lines as have_all_costs,
        -- A document whose head states an amount, and of whose lines some were rejected, costs more than the others say.
        orders.has_rejected_lines and not orders.is_sum_of_lines as is_incomplete,
        coalesce(lines.net_amount, 0) as stated_amount,
        orders.amount_before_tax_orig - coalesce(orders.lines_amount, 0) as difference,
        orders.lines_absolute_amount,
        orders.lines,
        {{ cost_of_line('orders.kind', 'lines.net_amount', 'lines.cost_amount') }} as stated_cost,
        lines.net_amount as stated_amount_orig,
        lines.quantity,
        products.unit_cost,
        case
            when products.currency = {{ base_currency }} then cast(1 as decimal(18, 8))
            when products.currency = orders.currency then orders.base_rate
            else rates.rate
        end as product_rate
    from lines
    inner join orders
        on lines.order_id = orders.order_id
    left join priced_products as products
        on lines.source_system = products.source_system
        and lines.source = products.source
        and lines.product_id = products.product_id
    left join rates
        on case when products.currency not in ({{ base_currency }}, orders.currency) then products.currency end = rates.currency
        and orders.order_on >= rates.valid_from
        and (orders.order_on < rates.valid_to or rates.valid_to is null)
),

-- What the document is worth more or less than its lines, a discount of the whole say, falls upon them by what they are worth.
shared as (
    select
        *,
        case
            when difference = 0 then stated_amount
            else stated_amount + cast(round(cast(difference as double) * {{ weight }}, 4) as decimal(18, 4))
        end as net_amount_orig,
        case
            when stated_cost_orig is null and not is_incomplete then stated_cost
            when have_all_costs and stated_cost_orig = lines_cost then stated_cost
            when have_all_costs
                then stated_cost + cast(round(cast(stated_cost_orig - lines_cost as double) * {{ weight }}, 4) as decimal(18, 4))
            else cast(round(cast(stated_cost_orig as double) * {{ weight }}, 4) as decimal(18, 4))
        end as cost_orig,
        case
            when stated_cost_orig is null and stated_cost is null and not is_incomplete
                then {{ converted(cost_of_line('kind', 'stated_amount_orig', product('quantity', 'unit_cost')), 'product_rate') }}
        end as product_cost_amount
    from joined
),

converted as (
    select
        *,
        {{ converted('net_amount_orig', 'base_rate') }} as net_amount,
        {{ converted('cost_orig', 'base_rate') }} as stated_cost_amount
    from shared
),

final as (
    select
        order_id,
        line_no,
        product_id,
        description,
        category,
        quantity,
        unit_price,
        stated_amount_orig,
        kind,
        is_valid,
        order_on,
        cast({{ dbt.date_trunc('month', 'order_on') }} as date) as month,
        net_amount,
        coalesce(stated_cost_amount, product_cost_amount) as cost_amount,
        case
            when stated_cost_amount is not null then 'cost'
            when product_cost_amount is not null then 'product_cost'
        end as cost_source,
        delivery_id,
        record_no
    from converted
)

select * from final
