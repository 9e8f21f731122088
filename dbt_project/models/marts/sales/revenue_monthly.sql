{{ config(tags=['before_scores']) }}

with ledger as (
    select * from {{ ref('revenue_ledger') }}
),

orders as (
    select * from {{ ref('orders') }}
    where is_valid
),

calendar as (
    select * from {{ ref('calendar_days') }}
),

months as (
    select distinct month
    from calendar
),

money as (
    select
        cast({{ dbt.date_trunc('month', 'day') }} as date) as month,
        sum(sales_amount) as sales_amount,
        sum(refund_amount) as refund_amount,
        sum(net_revenue) as net_revenue,
        sum(net_revenue_by_order_date) as net_revenue_by_order_date,
        sum(gross_margin) as gross_margin
    from ledger
    group by 1
),

-- Whoever buys without a name is in revenue and no buyer.
purchases as (
    select
        cast({{ dbt.date_trunc('month', 'order_date') }} as date) as month,
        count(*) filter (where is_purchase) as orders,
        count(distinct customer_id) filter (where is_purchase) as buyers,
        sum(net_amount) filter (where customer_id is not null) as net_revenue_of_customers
    from orders
    group by 1
),

final as (
    select
        months.month,
        coalesce(purchases.orders, 0) as orders,
        coalesce(purchases.buyers, 0) as buyers,
        cast(coalesce(money.sales_amount, 0) as decimal(18, 4)) as sales_amount,
        cast(coalesce(money.refund_amount, 0) as decimal(18, 4)) as refund_amount,
        cast(coalesce(money.net_revenue, 0) as decimal(18, 4)) as net_revenue,
        cast(coalesce(money.net_revenue_by_order_date, 0) as decimal(18, 4)) as net_revenue_by_order_date,
        cast(coalesce(money.gross_margin, 0) as decimal(18, 4)) as gross_margin,
        {{ significant('cast(money.gross_margin as double) / nullif(cast(money.net_revenue as double), 0)') }} as margin_rate,
        {{ significant('cast(money.net_revenue as double) / nullif(purchases.orders, 0)') }} as aov,
        {{ significant('cast(purchases.net_revenue_of_customers as double) / nullif(purchases.buyers, 0)') }} as revenue_per_buyer
    from months
    left join money
        on months.month = money.month
    left join purchases
        on months.month = purchases.month
)

select * from final
