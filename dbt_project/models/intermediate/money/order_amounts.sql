{{ config(tags=['before_scores']) }}
{%- set revenue = var('revenue') %}
{%- set amount_before_tax_orig = 'net_amount_orig - coalesce(tax_orig, 0)' if revenue.include_tax else 'net_amount_orig' %}
{%- set test_orders = revenue.test_orders %}
{%- set has_tests = test_orders.sources or test_orders.channels or test_orders.customers or test_orders.email_domains %}

with orders as (
    select * from {{ ref('order_versions') }}
),

lines as (
    select * from {{ ref('order_lines_current') }}
    where not is_deleted
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

deliveries as (
    select * from {{ ref('stg_deliveries') }}
),

rejected_lines as (
    select * from {{ ref('rejected_lines') }}
),

rates as (
    select * from {{ ref('fx_rates_current') }}
    where not is_deleted
),

line_totals as (
    select
        order_id,
        cast(sum(net_amount) as decimal(18, 4)) as net_amount,
        cast(sum(abs(net_amount)) as decimal(18, 4)) as absolute_amount,
        count(*) as lines,
        count(cost_amount) as lines_with_cost,
        cast(sum({{ cost_of_line("'sale'") }}) as decimal(18, 4)) as cost_of_sale,
        cast(sum({{ cost_of_line("'refund'") }}) as decimal(18, 4)) as cost_of_refund
    from lines
    group by order_id
),

-- A customer who is not known tonight yet, for the document is of a later day, will be at least who its record is.
identified as (
    select
        orders.*,
        coalesce(source_customers.customer_id, orders.source_record_id) as customer_id,
        (
            coalesce(orders.source in ({{ literals(test_orders.sources) }}), false)
            or coalesce(lower(orders.channel) in ({{ literals(test_orders.channels) }}), false)
            or coalesce(orders.source_customer_id in ({{ literals(test_orders.customers) }}), false)
            {%- for domain in test_orders.email_domains %}
            or coalesce(lower(source_customers.email) like {{ literal('%@' ~ domain) }}, false)
            {%- endfor %}
        ) as is_named_test
    from orders
    left join source_customers
        on orders.source_record_id = source_customers.source_record_id
),

stated as (
    select
        identified.*,
        coalesce(identified.net_amount, line_totals.net_amount) as stated_amount,
        identified.net_amount is null as is_sum_of_lines,
        rejected_lines.order_id is not null as has_rejected_lines,
        coalesce(line_totals.lines, 0) as lines,
        coalesce(line_totals.lines_with_cost, 0) as lines_with_cost,
        line_totals.net_amount as lines_amount,
        line_totals.absolute_amount as lines_absolute_amount,
        line_totals.cost_of_sale,
        line_totals.cost_of_refund,
        -- What is taken for a sale may have lines of both signs: its total tells.
        case
            when identified.kind = 'sale' and coalesce(identified.net_amount, line_totals.net_amount) < 0 then 'refund'
            else identified.kind
        end as kind_of_total
    from identified
    left join line_totals
        on identified.order_id = line_totals.order_id
    left join rejected_lines
        on identified.order_id = rejected_lines.order_id
),

-- A refund gives back, whatever sign it is written with.
signed as (
    select
        *,
        case when kind_of_total = 'refund' then -abs(tax_amount) else tax_amount end as tax_orig,
        case when kind_of_total = 'refund' then -abs(shipping_amount) else shipping_amount end as shipping_orig,
        case when kind_of_total = 'refund' then -abs(discount_amount) else abs(discount_amount) end as discount_orig,
        case when kind_of_total = 'refund' then -abs(cost_amount) else cost_amount end as stated_cost_orig,
        case when kind_of_total = 'refund' then cost_of_refund else cost_of_sale end as lines_cost_orig
    from stated
),

{%- if has_tests %}

-- The refund of a test is one too, whatever it says itself.
test_documents as (
    select order_id
    from signed
    where is_named_test
),
{%- endif %}

-- A missing rate leaves the amount NULL, which the reconciliation refuses; it is never taken for 1.
counted as (
    select
        signed.*,
        cast(
            signed.stated_amount
            {%- if revenue.include_tax %} + coalesce(signed.tax_orig, 0){% endif %}
            {%- if revenue.include_shipping %} + coalesce(signed.shipping_orig, 0){% endif %}
            {%- if not revenue.deduct_discount %} + coalesce(signed.discount_orig, 0){% endif %}
            as decimal(18, 4)
        ) as net_amount_orig,
        {%- if has_tests %}
        signed.is_named_test or test_documents.order_id is not null as is_test,
        {%- else %}
        signed.is_named_test as is_test,
        {%- endif %}
        case
            when signed.currency = '{{ var("base_currency") }}' then cast(1 as decimal(18, 8))
            when deliveries.currency = '{{ var("base_currency") }}' and signed.fx_rate is not null then signed.fx_rate
            else rates.rate
        end as base_rate
    from signed
    inner join deliveries
        on signed.source = deliveries.source
        and signed.delivery_id = deliveries.delivery_id
    left join rates
        on signed.currency = rates.currency
        and signed.order_on >= rates.valid_from
        and (signed.order_on < rates.valid_to or rates.valid_to is null)
    {%- if has_tests %}
    left join test_documents
        on signed.original_order_id = test_documents.order_id
    {%- endif %}
),

final as (
    select
        -- ids
        order_id,
        source_system,
        source,
        source_order_id,
        customer_id,
        original_order_id,
        owner_id,
        campaign_id,
        delivery_id,
        record_no,

        -- strings
        kind_of_total as kind,
        status,
        channel,
        currency,
        amount_basis,

        -- amounts in the document's own currency; tax that is counted in revenue is nobody's margin
        net_amount_orig,
        cast({{ amount_before_tax_orig }} as decimal(18, 4)) as amount_before_tax_orig,
        cast(stated_cost_orig as decimal(18, 4)) as stated_cost_orig,

        -- amounts in base currency
        base_rate,
        {{ converted('net_amount_orig', 'base_rate') }} as net_amount,
        {{ converted(amount_before_tax_orig, 'base_rate') }} as amount_before_tax,
        {{ converted('coalesce(tax_orig, 0)', 'base_rate') }} as tax_amount,
        {{ converted('coalesce(shipping_orig, 0)', 'base_rate') }} as shipping_amount,
        {{ converted('coalesce(discount_orig, 0)', 'base_rate') }} as discount_amount,
        {{ converted('stated_cost_orig', 'base_rate') }} as stated_cost,

        -- lines, in the document's own currency
        lines,
        lines_with_cost,
        lines_amount,
        lines_absolute_amount,
        cast(lines_cost_orig as decimal(18, 4)) as lines_cost,

        -- booleans
        is_deleted,
        is_orphan,
        is_test,
        -- Revenue is a sale above zero or a refund below it, in a status the business counts.
        (
            not is_deleted
            and not is_orphan
            and not is_test
            and {{ is_counted('status') }}
            and case
                when kind_of_total = 'sale' then coalesce(net_amount_orig, 0) > 0
                when kind_of_total = 'refund' then coalesce(net_amount_orig, 0) < 0
                else false
            end
        ) as is_valid,
        is_sum_of_lines,
        has_rejected_lines,

        -- dates and timestamps
        ordered_at,
        order_on
    from counted
)

select * from final
