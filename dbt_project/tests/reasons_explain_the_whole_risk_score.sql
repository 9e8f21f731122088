with fired as (
    select
        customer_id,
        count(*) as signals
    from {{ ref('churn_signals') }}
    where fired and weighted_strength > 0
    group by customer_id
),

explained as (
    select
        risk.customer_id,
        risk.risk_score,
        coalesce(fired.signals, 0) as signals,
        coalesce(risk.reason_1_points, 0) + coalesce(risk.reason_2_points, 0) + coalesce(risk.reason_3_points, 0) as points
    from {{ ref('churn_risk') }} as risk
    left join fired
        on risk.customer_id = fired.customer_id
)

select * from explained
where (signals <= 3 and abs(points - risk_score) > 0.000001)
    or points > risk_score + 0.000001
