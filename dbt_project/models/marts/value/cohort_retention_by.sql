{{ config(tags=['before_scores']) }}
{%- set dimensions = ['channel', 'region', 'customer_type', 'first_category'] %}

with customer_months as (
    select * from {{ ref('customer_months') }}
),

customers as (
    select * from {{ ref('customer_dimensions') }}
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

-- Summed once for all dimensions together, and then for each.
combined as (
    select
        customer_months.cohort_month,
        customer_months.month,
        {%- for dimension in dimensions %}
        customers.{{ dimension }},
        {%- endfor %}
        count(*) filter (where customer_months.is_active) as active_customers,
        sum(customer_months.net_revenue) as net_revenue,
        sum(customer_months.gross_margin) as gross_margin
    from customer_months
    inner join customers
        on customer_months.customer_id = customers.customer_id
    group by all
),

periods as (
    {%- for dimension in dimensions %}
    select
        '{{ dimension }}' as dimension,
        {{ dimension }} as dimension_value,
        cohort_month,
        month,
        cast(sum(active_customers) as bigint) as active_customers,
        sum(net_revenue) as net_revenue,
        sum(gross_margin) as gross_margin
    from combined
    group by {{ dimension }}, cohort_month, month
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

cohort_sizes as (
    select
        dimension,
        dimension_value,
        cohort_month,
        active_customers as cohort_size
    from periods
    where month = cohort_month
),

grid as (
    select
        cohort_sizes.dimension,
        cohort_sizes.dimension_value,
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
        grid.dimension,
        grid.dimension_value,
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
            partition by grid.dimension, grid.dimension_value, grid.cohort_month
            order by grid.period rows between unbounded preceding and current row
        ) as decimal(18, 4)) as cumulative_net_revenue,
        cast(sum(coalesce(periods.gross_margin, 0)) over (
            partition by grid.dimension, grid.dimension_value, grid.cohort_month
            order by grid.period rows between unbounded preceding and current row
        ) as decimal(18, 4)) as cumulative_gross_margin,
        grid.is_complete
    from grid
    left join periods
        on grid.dimension = periods.dimension
        and grid.dimension_value = periods.dimension_value
        and grid.cohort_month = periods.cohort_month
        and grid.month = periods.month
)

select * from final
