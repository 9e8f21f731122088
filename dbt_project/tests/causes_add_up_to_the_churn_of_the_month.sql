with causes as (
    select
        month,
        sum(churned) as churned
    from {{ ref('churn_causes') }}
    where period = 'month'
    group by month
)

select
    coalesce(months.month, causes.month) as month,
    months.churned,
    causes.churned as churned_by_cause
from {{ ref('churn_monthly') }} as months
full outer join causes
    on months.month = causes.month
where coalesce(months.churned, 0) <> coalesce(causes.churned, 0)
