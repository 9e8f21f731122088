{{ config(tags=['before_scores']) }}

with occasions as (
    select * from {{ ref('customer_occasions') }}
),

days as (
    select * from {{ ref('customer_days') }}
),

calendar as (
    select * from {{ ref('calendar_days') }}
),

cohorts as (
    select
        customer_id,
        cast({{ dbt.date_trunc('month', 'min(occasion_on)') }} as date) as cohort_month
    from occasions
    group by customer_id
),

cohort_sizes as (
    select
        cohort_month,
        count(*) as cohort_size
    from cohorts
    group by cohort_month
),

months as (
    select
        month,
        max(day) as last_day
    from calendar
    group by month
),

-- Every cohort meets every month that has begun, also those in which nobody came.
grid as (
    select
        cohort_sizes.cohort_month,
        cohort_sizes.cohort_size,
        months.month,
        {{ dbt.datediff('cohort_sizes.cohort_month', 'months.month', 'month') }} as period,
        months.last_day = {{ dbt.last_day('months.month', 'month') }} as is_complete
    from cohort_sizes
    inner join months
        on cohort_sizes.cohort_month <= months.month
),

activity as (
    select
        cohorts.cohort_month,
        cast({{ dbt.date_trunc('month', 'occasions.occasion_on') }} as date) as month,
        count(distinct occasions.customer_id) as active_customers
    from occasions
    inner join cohorts
        on occasions.customer_id = cohorts.customer_id
    group by all
),

money as (
    select
        cohorts.cohort_month,
        cast({{ dbt.date_trunc('month', 'days.order_on') }} as date) as month,
        sum(days.sales_amount + days.refund_amount) as net_revenue,
        sum(days.sales_margin + days.refund_margin) as gross_margin
    from days
    inner join cohorts
        on days.customer_id = cohorts.customer_id
    group by all
),

final as (
    select
        grid.cohort_month,
        cast(grid.period as integer) as period,
        grid.cohort_size,
        coalesce(activity.active_customers, 0) as active_customers,
        case
            when grid.is_complete
                then {{ significant('coalesce(activity.active_customers, 0) / nullif(grid.cohort_size, 0)') }}
        end as retention_rate,
        cast(coalesce(money.net_revenue, 0) as decimal(18, 4)) as net_revenue,
        cast(sum(coalesce(money.net_revenue, 0)) over (
            partition by grid.cohort_month order by grid.period rows between unbounded preceding and current row
        ) as decimal(18, 4)) as cumulative_net_revenue,
        cast(sum(coalesce(money.gross_margin, 0)) over (
            partition by grid.cohort_month order by grid.period rows between unbounded preceding and current row
        ) as decimal(18, 4)) as cumulative_gross_margin,
        grid.is_complete
    from grid
    left join activity
        on grid.cohort_month = activity.cohort_month
        and grid.month = activity.month
    left join money
        on grid.cohort_month = money.cohort_month
        and grid.month = money.month
)

select * from final
