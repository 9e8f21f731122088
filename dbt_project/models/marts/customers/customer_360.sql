{{ config(tags=['after_scores']) }}

with customers as (
    select * from {{ ref('customers') }}
),

snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

rfm as (
    select * from {{ ref('customer_rfm') }}
),

clv as (
    select * from {{ ref('customer_clv') }}
),

risk as (
    select * from {{ ref('churn_risk') }}
),

final as (
    select
        {{ tonight() }} as as_of,
        customers.customer_id,
        customers.customer_type,
        customers.country,
        customers.region,
        customers.acquisition_channel,
        customers.owner_id,
        customers.is_active,
        customers.created_at,

        -- transactions
        customers.first_order_at,
        customers.last_order_at,
        customers.orders,
        coalesce(snapshots.orders_365d, 0) as orders_365d,
        customers.gross_revenue,
        customers.refund_amount,
        customers.net_revenue,
        customers.gross_margin,
        clv.aov,
        snapshots.age_days as tenure_days,
        rfm.recency_days,

        -- value
        rfm.r_score,
        rfm.f_score,
        rfm.m_score,
        rfm.rfm_segment,
        clv.clv_revenue_formula,
        clv.clv_margin_formula,
        clv.clv_net,
        clv.expected_orders_90d,
        clv.expected_orders_365d,
        clv.clv_predicted_90d,
        clv.clv_predicted_365d,
        clv.p_alive,
        coalesce(clv.prediction_status, 'insufficient') as prediction_status,

        -- risk
        risk.churn_probability,
        risk.risk_score,
        risk.risk_level,
        risk.value_at_risk,
        risk.reason_1,
        risk.reason_2,
        risk.reason_3,
        risk.personal_gap_days,
        risk.churned_on,
        risk.expected_next_order_on,
        risk.days_overdue
    from customers
    left join snapshots
        on customers.customer_id = snapshots.customer_id
    left join rfm
        on customers.customer_id = rfm.customer_id
    left join clv
        on customers.customer_id = clv.customer_id
    left join risk
        on customers.customer_id = risk.customer_id
)

select * from final
