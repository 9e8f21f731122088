{{ config(tags=['before_scores']) }}

with customer_months as (
    select * from {{ ref('customer_months') }}
),

calendar as (
    select * from {{ ref('calendar_days') }}
),

periods as (
    select
        cohort_month,
        month,
        count(*) filter (where is_active) as active_customers,
        sum(net_revenue) as net_revenue,
        sum(gross_margin) as gross_margin
    from customer_months
    group by cohort_month, month
),

{{ cohort_curves() }}

select * from final
