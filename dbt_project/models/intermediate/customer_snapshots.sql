{{ config(materialized='by_as_of', tags=['before_scores']) }}
{%- set as_of = "(select max(as_of) from " ~ source('run', 'snapshot_as_of') ~ ")" %}

with customer_days as (
    select * from {{ ref('customer_days') }}
),

refund_links as (
    select * from {{ ref('refund_links') }}
),

{{ known_occasions(as_of) }},

purchases as (
    select
        customer_id,
        min(occasion_on) as first_order_on,
        max(occasion_on) as last_order_on,
        count(*) as occasions,
        sum(purchases) as orders,
        sum(purchases) filter (where occasion_on > {{ add_days(as_of, -365) }}) as orders_365d,
        sum(purchases) filter (where occasion_on > {{ add_days(as_of, -90) }}) as orders_90d,
        {%- if var('rfm_window_days') %}
        sum(purchases) filter (where occasion_on > {{ add_days(as_of, -var('rfm_window_days')) }}) as rfm_frequency,
        {%- else %}
        sum(purchases) as rfm_frequency,
        {%- endif %}
        -- The first occasion tells when a customer came; only the later ones tell what a return is worth.
        avg(cast(amount as double)) filter (where occasion_no > 1) as monetary_value,
        max_by(own_gap_days, occasion_no) as own_gap_days,
        max_by(personal_gap_days, occasion_no) as personal_gap_days,
        max_by(threshold_days, occasion_no) as threshold_days
    from known_occasions
    group by customer_id
),

money as (
    select
        customer_id,
        sum(sales_amount) as gross_revenue,
        sum(refund_amount) as refund_amount,
        sum(sales_amount + refund_amount) as net_revenue,
        sum(sales_margin) as sales_margin,
        sum(sales_margin + refund_margin) as gross_margin,
        coalesce(sum(sales_amount + refund_amount) filter (where order_on > {{ add_days(as_of, -365) }}), 0) as net_revenue_365d,
        {%- if var('rfm_window_days') %}
        coalesce(
            sum(sales_amount + refund_amount) filter (where order_on > {{ add_days(as_of, -var('rfm_window_days')) }}), 0
        ) as rfm_monetary
        {%- else %}
        sum(sales_amount + refund_amount) as rfm_monetary
        {%- endif %}
    from customer_days
    where order_on <= {{ as_of }}
    group by customer_id
),

final as (
    select
        {{ as_of }} as as_of,
        purchases.customer_id,

        -- counts
        cast(purchases.orders as bigint) as orders,
        cast(coalesce(purchases.orders_365d, 0) as bigint) as orders_365d,
        cast(coalesce(purchases.orders_90d, 0) as bigint) as orders_90d,
        cast(coalesce(purchases.rfm_frequency, 0) as bigint) as rfm_frequency,
        cast(purchases.occasions as bigint) as occasions,

        -- the state of a buy-till-you-die model, in days
        cast(purchases.occasions - 1 as integer) as repeat_occasions,
        cast({{ days_between('purchases.first_order_on', 'purchases.last_order_on') }} as integer) as repeat_recency_days,
        cast({{ days_between('purchases.first_order_on', as_of) }} as integer) as age_days,
        purchases.monetary_value,

        -- cadence
        cast({{ days_between('purchases.last_order_on', as_of) }} as integer) as recency_days,
        purchases.own_gap_days,
        purchases.personal_gap_days,
        purchases.threshold_days,
        {{ days_between('purchases.last_order_on', as_of) }} / nullif(purchases.personal_gap_days, 0) as cadence_ratio,

        -- money
        cast(money.gross_revenue as decimal(18, 4)) as gross_revenue,
        cast(money.refund_amount as decimal(18, 4)) as refund_amount,
        cast(money.net_revenue as decimal(18, 4)) as net_revenue,
        cast(money.sales_margin as decimal(18, 4)) as sales_margin,
        cast(money.gross_margin as decimal(18, 4)) as gross_margin,
        cast(money.net_revenue_365d as decimal(18, 4)) as net_revenue_365d,
        cast(money.rfm_monetary as decimal(18, 4)) as rfm_monetary,

        -- dates
        purchases.first_order_on,
        purchases.last_order_on
    from purchases
    inner join money
        on purchases.customer_id = money.customer_id
)

select * from final
