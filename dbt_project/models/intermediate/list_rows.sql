{{ config(tags=['after_scores']) }}

with members as (
    select * from {{ ref('list_members') }}
    where state in ('new', 'continuing')
),

risk as (
    select * from {{ ref('churn_risk') }}
),

customers as (
    select * from {{ ref('customer_360') }}
),

resolved_customers as (
    select * from {{ ref('resolved_customers') }}
),

orders as (
    select * from {{ ref('orders') }}
),

lists as (
    {%- for list in var('lists') %}
    select
        {{ literal(list.id) }} as list_id,
        {{ literal(list.zh) }} as list_zh,
        {{ literal(list.en) }} as list_en,
        {{ literal(list.action_code) }} as recommended_action,
        {{ literal(list.action_zh) }} as recommended_action_zh,
        {{ literal(list.action_en) }} as recommended_action_en
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

data_through as (
    select max(ordered_at) as data_through
    from orders
),

-- One row per alert, with everything that its reader needs and nothing that says how to reach the customer:
-- no channel is permitted until a consent says so, and the row is then a task for its owner.
final as (
    select
        members.list_id,
        members.as_of,
        data_through.data_through,
        members.alert_id,
        case when members.state = 'new' then 'add' else 'update' end as event,
        members.state,
        members.arm,
        members.priority_rank,
        members.customer_id,
        resolved_customers.source,
        resolved_customers.source_customer_id as external_id,
        resolved_customers.name as display_name,
        cast(null as {{ dbt.type_string() }}) as channel,
        customers.country,
        customers.rfm_segment,
        risk.risk_level,
        risk.risk_score,
        risk.churn_probability,
        risk.horizon_days,
        risk.value_at_risk,
        customers.clv_predicted_365d,
        customers.net_revenue,
        customers.orders,
        customers.last_order_at,
        risk.days_overdue,
        risk.expected_next_order_on,
        risk.reason_1,
        risk.reason_1_zh,
        risk.reason_1_en,
        risk.reason_2,
        risk.reason_2_zh,
        risk.reason_2_en,
        risk.reason_3,
        risk.reason_3_zh,
        risk.reason_3_en,
        lists.recommended_action,
        lists.recommended_action_zh,
        lists.recommended_action_en,
        members.owner_id,
        members.entered_on
    from members
    inner join lists
        on members.list_id = lists.list_id
    inner join risk
        on members.customer_id = risk.customer_id
    inner join customers
        on members.customer_id = customers.customer_id
    inner join resolved_customers
        on members.customer_id = resolved_customers.customer_id
    cross join data_through
)

select * from final
