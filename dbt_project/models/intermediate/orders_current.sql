{{ config(tags=['before_scores']) }}

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
        case when count(*) = count(cost_amount) then cast(sum(cost_amount) as decimal(18, 4)) end as cost_amount
    from lines
    group by order_id
),

-- A customer who is not known tonight yet, for the document is of a later day, will be at least who its record is.
identified as (
    select
        orders.*,
        coalesce(source_customers.customer_id, orders.source_record_id) as customer_id
    from orders
    left join source_customers
        on orders.source_record_id = source_customers.source_record_id
),

priced as (
    select
        identified.*,
        coalesce(identified.net_amount, line_totals.net_amount) as net_amount_orig,
        coalesce(identified.cost_amount, line_totals.cost_amount) as stated_cost,
        identified.net_amount is null as is_sum_of_lines,
        rejected_lines.order_id is not null as has_rejected_lines,
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

-- A missing rate leaves the amount NULL, which the reconciliation refuses; it is never taken for 1.
converted as (
    select
        priced.*,
        -- Goods that come back give their cost back, whatever sign it is written with.
        case when priced.kind_of_total = 'refund' then -abs(priced.stated_cost) else priced.stated_cost end as cost_amount_orig,
        case
            when priced.currency = '{{ var("base_currency") }}' then cast(1 as decimal(18, 8))
            when deliveries.currency = '{{ var("base_currency") }}' and priced.fx_rate is not null then priced.fx_rate
            else rates.rate
        end as base_rate
    from priced
    inner join deliveries
        on priced.source = deliveries.source
        and priced.delivery_id = deliveries.delivery_id
    left join rates
        on priced.currency = rates.currency
        and priced.order_on >= rates.valid_from
        and (priced.order_on < rates.valid_to or rates.valid_to is null)
),

valued as (
    select
        *,
        cast({{ product('net_amount_orig', 'base_rate') }} as decimal(18, 4)) as net_amount_base,
        cast({{ product('cost_amount_orig', 'base_rate') }} as decimal(18, 4)) as cost_amount_base
    from converted
),

final as (
    select
        order_id,
        source_system,
        source,
        source_order_id,
        customer_id,
        original_order_id,
        owner_id,
        campaign_id,
        kind_of_total as kind,
        status,
        channel,
        currency,
        amount_basis,
        case when cost_amount_base is not null then 'cost' else 'default_rate' end as margin_source,
        cast(net_amount_orig as decimal(18, 4)) as net_amount_orig,
        net_amount_base as net_amount,
        case
            when cost_amount_base is not null then cast(net_amount_base - cost_amount_base as decimal(18, 4))
            else cast({{ product('net_amount_base', 'cast(' ~ var('default_margin_rate') ~ ' as decimal(9, 6))') }} as decimal(18, 4))
        end as gross_margin,
        is_deleted,
        is_orphan,
        -- Revenue is a sale above zero or a refund below it, in a status the business counts.
        (
            not is_deleted
            and not is_orphan
            and {{ is_counted('status') }}
            and case
                when kind_of_total = 'sale' then coalesce(net_amount_orig, 0) > 0
                when kind_of_total = 'refund' then coalesce(net_amount_orig, 0) < 0
                else false
            end
        ) as is_valid,
        is_sum_of_lines,
        has_rejected_lines,
        ordered_at,
        order_on,
        delivery_id,
        record_no
    from valued
)

select * from final
