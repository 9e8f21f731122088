with last_occasions as (
    select
        customer_id,
        {{ significant('personal_gap_days') }} as personal_gap_days,
        threshold_days
    from {{ ref('customer_occasions') }}
    where next_occasion_on is null
),

losses as (
    select
        customer_id,
        max(churned_on) as churned_on
    from {{ ref('customer_spells') }}
    group by customer_id
    having count(*) = count(churned_on)
)

select
    churn_risk.customer_id,
    churn_risk.personal_gap_days,
    last_occasions.personal_gap_days as personal_gap_days_of_occasion,
    churn_risk.threshold_days,
    last_occasions.threshold_days as threshold_days_of_occasion,
    churn_risk.churned_on,
    losses.churned_on as churned_on_of_spell,
    snapshots.churned
from {{ ref('churn_risk') }} as churn_risk
full outer join last_occasions
    on churn_risk.customer_id = last_occasions.customer_id
left join losses
    on churn_risk.customer_id = losses.customer_id
left join {{ ref('customer_snapshots') }} as snapshots
    on churn_risk.customer_id = snapshots.customer_id
    and churn_risk.as_of = snapshots.as_of
where churn_risk.customer_id is null
    or last_occasions.customer_id is null
    or churn_risk.personal_gap_days <> last_occasions.personal_gap_days
    or churn_risk.threshold_days <> last_occasions.threshold_days
    or churn_risk.churned_on is distinct from losses.churned_on
    or (churn_risk.churned_on is not null) <> coalesce(snapshots.churned, false)
