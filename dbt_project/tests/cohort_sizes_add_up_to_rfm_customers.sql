with cohort_sizes as (
    select coalesce(sum(cohort_size), 0) as customers
    from {{ ref('cohort_retention') }}
    where period = 0
),

scored as (
    select count(*) as customers
    from {{ ref('customer_rfm') }}
)

select
    cohort_sizes.customers as in_cohorts,
    scored.customers as scored
from cohort_sizes
cross join scored
where cohort_sizes.customers <> scored.customers
