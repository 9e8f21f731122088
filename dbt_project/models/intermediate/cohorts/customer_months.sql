{{ config(tags=['before_scores']) }}

with occasions as (
    select * from {{ ref('customer_occasions') }}
),

days as (
    select * from {{ ref('customer_days') }}
),

active_months as (
    select
        customer_id,
        cast({{ dbt.date_trunc('month', 'occasion_on') }} as date) as month
    from occasions
    group by all
),

cohorts as (
    select
        customer_id,
        min(month) as cohort_month
    from active_months
    group by customer_id
),

money as (
    select
        customer_id,
        cast({{ dbt.date_trunc('month', 'order_on') }} as date) as month,
        sum(sales_amount + refund_amount) as net_revenue,
        sum(sales_margin + refund_margin) as gross_margin
    from days
    group by all
),

-- What was given back before the month of the first purchase belongs to no cohort.
final as (
    select
        money.customer_id,
        money.month,
        cohorts.cohort_month,
        cast({{ dbt.datediff('cohorts.cohort_month', 'money.month', 'month') }} as integer) as period,
        active_months.customer_id is not null as is_active,
        cast(money.net_revenue as decimal(18, 4)) as net_revenue,
        cast(money.gross_margin as decimal(18, 4)) as gross_margin
    from money
    inner join cohorts
        on money.customer_id = cohorts.customer_id
    left join active_months
        on money.customer_id = active_months.customer_id
        and money.month = active_months.month
    where money.month >= cohorts.cohort_month
)

select * from final
