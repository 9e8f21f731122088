with divided as (
    select
        dimension,
        month,
        sum(opening) as opening,
        sum(new) as new,
        sum(reactivated) as reactivated,
        sum(churned) as churned,
        sum(intra_period_churn) as intra_period_churn,
        sum(closing) as closing
    from {{ ref('churn_monthly_by') }}
    group by dimension, month
),

dimensions as (
    select distinct dimension
    from divided
),

-- In a shop that never had a customer there is nothing to divide.
expected as (
    select
        dimensions.dimension,
        months.*
    from {{ ref('churn_monthly') }} as months
    cross join dimensions
)

select
    coalesce(divided.dimension, expected.dimension) as found_in,
    coalesce(divided.month, expected.month) as month,
    divided.closing as divided_closing,
    expected.closing as expected_closing
from divided
full join expected
    on divided.dimension = expected.dimension
    and divided.month = expected.month
where divided.month is null
    or expected.month is null
    or divided.opening <> expected.opening
    or divided.new <> expected.new
    or divided.reactivated <> expected.reactivated
    or divided.churned <> expected.churned
    or divided.intra_period_churn <> expected.intra_period_churn
    or divided.closing <> expected.closing
