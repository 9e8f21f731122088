{{ config(tags=['after_scores']) }}

with customers as (
    select * from {{ ref('customer_360') }}
),

-- What is kept of a day for good: enough to tell later what was thought of a customer then.
final as (
    select
        as_of,
        customer_id,
        tier,
        lifecycle_stage,
        display_layer,
        rfm_segment,
        r_score,
        f_score,
        m_score,
        clv_predicted_365d,
        churn_probability,
        risk_score,
        risk_level,
        value_at_risk
    from customers
)

select * from final
