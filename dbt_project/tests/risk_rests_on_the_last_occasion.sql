with last_occasions as (
    select
        customer_id,
        {{ significant('personal_gap_days') }} as personal_gap_days,
        threshold_days,
        churned_on
    from {{ ref('customer_occasions') }}
    where next_occasion_on is null
)

select
    churn_risk.customer_id,
    churn_risk.personal_gap_days,
    last_occasions.personal_gap_days as personal_gap_days_of_occasion,
    churn_risk.threshold_days,
    last_occasions.threshold_days as threshold_days_of_occasion,
    churn_risk.churned_on,
    last_occasions.churned_on as churned_on_of_occasion
from {{ ref('churn_risk') }} as churn_risk
full outer join last_occasions
    on churn_risk.customer_id = last_occasions.customer_id
where churn_risk.customer_id is null
    or last_occasions.customer_id is null
    or churn_risk.personal_gap_days <> last_occasions.personal_gap_days
    or churn_risk.threshold_days <> last_occasions.threshold_days
    or churn_risk.churned_on is distinct from last_occasions.churned_on
