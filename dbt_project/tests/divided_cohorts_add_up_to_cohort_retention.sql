with divided as (
    select
        dimension,
        cohort_month,
        period,
        sum(cohort_size) as cohort_size,
        sum(active_customers) as active_customers,
        sum(net_revenue) as net_revenue,
        sum(cumulative_net_revenue) as cumulative_net_revenue,
        sum(cumulative_gross_margin) as cumulative_gross_margin
    from {{ ref('cohort_retention_by') }}
    group by dimension, cohort_month, period
),

dimensions as (
    select distinct dimension
    from divided
),

expected as (
    select
        dimensions.dimension,
        cohorts.*
    from {{ ref('cohort_retention') }} as cohorts
    cross join dimensions
)

select
    coalesce(divided.dimension, expected.dimension) as found_in,
    coalesce(divided.cohort_month, expected.cohort_month) as cohort_month,
    coalesce(divided.period, expected.period) as period,
    divided.active_customers as divided_active_customers,
    expected.active_customers as expected_active_customers
from divided
full join expected
    on divided.dimension = expected.dimension
    and divided.cohort_month = expected.cohort_month
    and divided.period = expected.period
where divided.cohort_month is null
    or expected.cohort_month is null
    or divided.cohort_size <> expected.cohort_size
    or divided.active_customers <> expected.active_customers
    or divided.net_revenue <> expected.net_revenue
    or divided.cumulative_net_revenue <> expected.cumulative_net_revenue
    or divided.cumulative_gross_margin <> expected.cumulative_gross_margin
