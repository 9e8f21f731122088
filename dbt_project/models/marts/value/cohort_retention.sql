{{ config(tags=['before_scores']) }}

with customer_months as (
    select * from {{ ref('customer_months') }}
),

calendar as (
    select * from {{ ref('calendar_days') }}
),

months as (
    select
        month,
        max(day) as last_day
    from calendar
    group by month
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

-- In their own month all customers of a cohort are active.
cohort_sizes as (
    select
        cohort_month,
        active_customers as cohort_size
    from periods
    where month = cohort_month
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

final as (
    select
        grid.cohort_month,
        cast(grid.period as integer) as period,
        grid.cohort_size,
        coalesce(periods.active_customers, 0) as active_customers,
        case
            when grid.is_complete
                then {{ significant('coalesce(periods.active_customers, 0) / nullif(grid.cohort_size, 0)') }}
        end as retention_rate,
        cast(coalesce(periods.net_revenue, 0) as decimal(18, 4)) as net_revenue,
        cast(sum(coalesce(periods.net_revenue, 0)) over (
            partition by grid.cohort_month order by grid.period rows between unbounded preceding and current row
        ) as decimal(18, 4)) as cumulative_net_revenue,
        cast(sum(coalesce(periods.gross_margin, 0)) over (
            partition by grid.cohort_month order by grid.period rows between unbounded preceding and current row
        ) as decimal(18, 4)) as cumulative_gross_margin,
        grid.is_complete
    from grid
    left join periods
        on grid.cohort_month = periods.cohort_month
        and grid.month = periods.month
)

select * from final
