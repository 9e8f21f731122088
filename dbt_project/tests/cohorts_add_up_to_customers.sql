with cohorts as (
    select
        cohort_month,
        max(cohort_size) as cohort_size,
        sum(active_customers) as active_customers,
        sum(net_revenue) as net_revenue
    from {{ ref('cohort_retention') }}
    group by cohort_month
),

customers as (
    select
        customer_id,
        cast({{ dbt.date_trunc('month', 'min(occasion_on)') }} as date) as cohort_month,
        count(distinct {{ dbt.date_trunc('month', 'occasion_on') }}) as active_months
    from {{ ref('customer_occasions') }}
    group by customer_id
),

money as (
    select
        customers.customer_id,
        sum(orders.net_amount) as net_revenue
    from customers
    inner join {{ ref('orders') }} as orders
        on customers.customer_id = orders.customer_id
        and orders.order_date >= customers.cohort_month
    where orders.is_valid
    group by customers.customer_id
),

expected as (
    select
        customers.cohort_month,
        count(*) as cohort_size,
        sum(customers.active_months) as active_customers,
        sum(money.net_revenue) as net_revenue
    from customers
    left join money
        on customers.customer_id = money.customer_id
    group by customers.cohort_month
)

select
    coalesce(cohorts.cohort_month, expected.cohort_month) as cohort_month,
    cohorts.cohort_size,
    expected.cohort_size as expected_size,
    cohorts.net_revenue,
    expected.net_revenue as expected_net_revenue
from cohorts
full join expected
    on cohorts.cohort_month = expected.cohort_month
where cohorts.cohort_month is null
    or expected.cohort_month is null
    or cohorts.cohort_size <> expected.cohort_size
    or cohorts.active_customers <> expected.active_customers
    or cohorts.net_revenue <> expected.net_revenue
