{{ config(tags=['after_scores']) }}

with rfm as (
    select * from {{ ref('customer_rfm') }}
),

clv as (
    select * from {{ ref('customer_clv') }}
),

risk as (
    select * from {{ ref('churn_risk') }}
),

-- What is kept of a day for good: enough to tell later what was thought of a customer then.
final as (
    select
        rfm.as_of,
        rfm.customer_id,
        rfm.rfm_segment,
        rfm.r_score,
        rfm.f_score,
        rfm.m_score,
        clv.clv_predicted_365d,
        risk.churn_probability,
        risk.risk_score,
        risk.risk_level,
        risk.value_at_risk
    from rfm
    inner join clv
        on rfm.customer_id = clv.customer_id
    inner join risk
        on rfm.customer_id = risk.customer_id
)

select * from final
