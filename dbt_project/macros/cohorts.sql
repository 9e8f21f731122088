{#-
    The common table expressions that follow every cohort through the months of the calendar; last of them `final`. The calling model
    imports calendar and has `periods`, what each cohort did in each month; `dimensions` are columns of periods that divide a cohort.
-#}
{%- macro cohort_curves(dimensions=[]) -%}
{%- set cohort = dimensions + ['cohort_month'] -%}
{%- set running -%}
over (
            partition by grid.{{ cohort | join(', grid.') }} order by grid.period rows between unbounded preceding and current row
        )
{%- endset -%}
months as (
    select
        month,
        max(day) as last_day
    from calendar
    group by month
),

-- In their own month all customers of a cohort are active.
cohort_sizes as (
    select
        {{ cohort | join(',\n        ') }},
        active_customers as cohort_size
    from periods
    where month = cohort_month
),

-- Every cohort meets every month that has begun, also those in which nobody came.
grid as (
    select
        cohort_sizes.*,
        months.month,
        {{ dbt.datediff('cohort_sizes.cohort_month', 'months.month', 'month') }} as period,
        months.last_day = {{ dbt.last_day('months.month', 'month') }} as is_complete
    from cohort_sizes
    inner join months
        on cohort_sizes.cohort_month <= months.month
),

final as (
    select
        grid.{{ cohort | join(',\n        grid.') }},
        cast(grid.period as integer) as period,
        grid.cohort_size,
        coalesce(periods.active_customers, 0) as active_customers,
        case
            when grid.is_complete
                then {{ significant('coalesce(periods.active_customers, 0) / nullif(grid.cohort_size, 0)') }}
        end as retention_rate,
        cast(coalesce(periods.net_revenue, 0) as decimal(18, 4)) as net_revenue,
        cast(sum(coalesce(periods.net_revenue, 0)) {{ running }} as decimal(18, 4)) as cumulative_net_revenue,
        cast(sum(coalesce(periods.gross_margin, 0)) {{ running }} as decimal(18, 4)) as cumulative_gross_margin,
        grid.is_complete
    from grid
    left join periods
        on grid.month = periods.month
        {%- for column in cohort %}
        and grid.{{ column }} = periods.{{ column }}
        {%- endfor %}
)
{%- endmacro -%}
