{{ config(tags=['before_scores']) }}

with orders as (
    select * from {{ ref('stg_orders') }}
    where cast_error is null
),

lines as (
    select * from {{ ref('order_lines_current') }}
),

customers as (
    select * from {{ ref('stg_customers') }}
),

deliveries as (
    select * from {{ ref('stg_deliveries') }}
),

rates as (
    select * from {{ ref('fx_rates_current') }}
),

-- The newest delivery wins; within it a document counts from its earliest time.
newest_orders as (
    select * from orders
    qualify
        row_number() over (
            partition by source_system, source, source_order_id
            order by version_at desc nulls last, ordered_at, row_hash, record_no
        ) = 1
),

line_totals as (
    select
        order_id,
        cast(sum(net_amount) as decimal(18, 4)) as net_amount,
        case when count(*) = count(cost_amount) then cast(sum(cost_amount) as decimal(18, 4)) end as cost_amount
    from lines
    group by order_id
),

sources_with_customers as (
    select distinct
        source_system,
        source
    from deliveries
    where feed = 'customers'
),

known_customers as (
    select distinct
        source_system,
        source,
        source_customer_id
    from customers
),

identified as (
    select
        newest_orders.*,
        {{ stable_id(['newest_orders.source_system', 'newest_orders.source', 'newest_orders.source_order_id']) }} as order_id,
        case
            when newest_orders.source_customer_id is not null
                then {{ stable_id(['newest_orders.source_system', 'newest_orders.source', 'newest_orders.source_customer_id']) }}
        end as customer_id,
        case
            when newest_orders.original_source_order_id is not null
                then {{ stable_id(['newest_orders.source_system', 'newest_orders.source', 'newest_orders.original_source_order_id']) }}
        end as original_order_id,
        {{ business_date('newest_orders.ordered_at') }} as order_on,
        (
            newest_orders.source_customer_id is not null
            and sources_with_customers.source is not null
            and known_customers.source_customer_id is null
        ) as is_orphan
    from newest_orders
    left join sources_with_customers
        on newest_orders.source_system = sources_with_customers.source_system
        and newest_orders.source = sources_with_customers.source
    left join known_customers
        on newest_orders.source_system = known_customers.source_system
        and newest_orders.source = known_customers.source
        and newest_orders.source_customer_id = known_customers.source_customer_id
),

priced as (
    select
        identified.*,
        coalesce(identified.net_amount, line_totals.net_amount) as net_amount_orig,
        coalesce(identified.cost_amount, line_totals.cost_amount) as cost_amount_orig
    from identified
    left join line_totals
        on identified.order_id = line_totals.order_id
),

-- A missing rate leaves the amount NULL, which the reconciliation refuses; it is never taken for 1.
converted as (
    select
        priced.*,
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
        kind,
        status,
        channel,
        currency,
        case when cost_amount_base is not null then 'cost' else 'default_rate' end as margin_source,
        cast(net_amount_orig as decimal(18, 4)) as net_amount_orig,
        net_amount_base as net_amount,
        case
            when cost_amount_base is not null then cast(net_amount_base - cost_amount_base as decimal(18, 4))
            else cast({{ product('net_amount_base', 'cast(' ~ var('default_margin_rate') ~ ' as decimal(9, 6))') }} as decimal(18, 4))
        end as gross_margin,
        is_orphan,
        -- Revenue is a sale above zero or a refund below it, in a status the business counts.
        (
            not is_orphan
            and {{ is_counted('status') }}
            and case
                when kind = 'sale' then coalesce(net_amount_orig, 0) > 0
                when kind = 'refund' then coalesce(net_amount_orig, 0) < 0
                else false
            end
        ) as is_valid,
        ordered_at,
        order_on,
        delivery_id,
        record_no
    from valued
)

select * from final
