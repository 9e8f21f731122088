{{ config(tags=['after_scores']) }}
{%- set channels = ['email', 'phone', 'sms', 'wechat'] %}

with customers as (
    select * from {{ ref('customers') }}
),

resolved_customers as (
    select * from {{ ref('resolved_customers') }}
),

snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

grid as (
    select * from {{ ref('customer_grid') }}
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

contracts as (
    select * from {{ source('predictions', 'contract_scores') }}
),

products as (
    select * from {{ ref('customer_products') }}
),

classes as (
    select * from {{ ref('customer_classes') }}
),

consents as (
    select * from {{ ref('customer_consents') }}
    where replaced_on is null
),

-- One channel may be open for one purpose and closed for another: it is open only if no purpose is closed.
open_channels as (
    select
        customer_id,
        {%- for channel in channels %}
        coalesce(min(case when state = 'in' then 1 else 0 end) filter (where channel = '{{ channel }}') = 1, false) as consent_{{ channel }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from consents
    group by customer_id
),

completeness as (
    select
        customer_id,
        {%- set attributes = ['name', 'email', 'phone', 'country', 'region', 'acquisition_channel', 'owner_id', 'created_at'] %}
        100 * (
            {%- for attribute in attributes %}
            {% if not loop.first %}+ {% endif %}case when {{ attribute }} is not null then 1 else 0 end
            {%- endfor %}
        ) / {{ attributes | length }} as profile_completeness_pct
    from resolved_customers
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
        {{ significant('completeness.profile_completeness_pct') }} as profile_completeness_pct,

        -- where the customer stands
        grid.tier,
        grid.lifecycle_stage,
        classes.display_layer,

        -- transactions
        customers.first_order_at,
        customers.last_order_at,
        customers.orders,
        coalesce(snapshots.orders_365d, 0) as orders_365d,
        customers.gross_revenue,
        customers.refund_amount,
        customers.net_revenue,
        customers.gross_margin,
        coalesce(snapshots.net_revenue_365d, 0) as net_revenue_365d,
        clv.aov,
        snapshots.age_days as tenure_days,
        rfm.recency_days,
        products.top_category,

        -- contracts
        coalesce(snapshots.has_contract, false) as has_contract,
        snapshots.mrr,
        snapshots.days_to_renewal,
        contracts.renewals_made,
        {{ significant('contracts.leave_probability') }} as contract_leave_probability,

        -- interactions
        coalesce(snapshots.active_days_30d, 0) as active_days_30d,
        snapshots.last_activity_on,
        snapshots.days_since_contact,
        snapshots.preferred_channel,

        -- satisfaction
        {{ significant('snapshots.nps_latest') }} as nps_latest,
        {{ significant('snapshots.csat_latest') }} as csat_latest,
        coalesce(snapshots.open_tickets, 0) as open_tickets,
        coalesce(snapshots.complaints_90d, 0) as complaints_90d,

        -- loyalty
        coalesce(snapshots.points_balance, 0) as points_balance,

        -- consent
        {%- for channel in channels %}
        coalesce(open_channels.consent_{{ channel }}, false) as consent_{{ channel }},
        {%- endfor %}

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
        coalesce(snapshots.churned, false) as is_churned,
        risk.churned_on,
        risk.expected_next_order_on,
        risk.expected_next_order_low_on,
        risk.expected_next_order_high_on,
        risk.days_overdue
    from customers
    left join snapshots
        on customers.customer_id = snapshots.customer_id
    left join grid
        on customers.customer_id = grid.customer_id
    left join classes
        on customers.customer_id = classes.customer_id
    left join completeness
        on customers.customer_id = completeness.customer_id
    left join products
        on customers.customer_id = products.customer_id
    left join open_channels
        on customers.customer_id = open_channels.customer_id
    left join rfm
        on customers.customer_id = rfm.customer_id
    left join clv
        on customers.customer_id = clv.customer_id
    left join risk
        on customers.customer_id = risk.customer_id
    left join contracts
        on customers.customer_id = contracts.customer_id
)

select * from final
