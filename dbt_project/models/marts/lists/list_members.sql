{{ config(tags=['after_scores']) }}

with id_history as (
    select * from {{ ref('customer_id_history') }}
),

-- Alerts follow their customer to the id that it has tonight.
previous_members as (
    select
        previous.list_id,
        coalesce(id_history.customer_id, previous.customer_id) as customer_id,
        previous.alert_id,
        previous.arm,
        previous.owner_id,
        previous.entered_on,
        previous.left_on
    from {{ source('run', 'previous_list_members') }} as previous
    left join id_history
        on previous.customer_id = id_history.old_customer_id
),

customers as (
    select * from {{ ref('customer_360') }}
),

snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

risk as (
    select * from {{ ref('churn_risk') }}
),

rfm as (
    select * from {{ ref('customer_rfm') }}
),

-- Every metric that a condition in business.yml may name.
candidates as (
    select
        customers.*,
        rfm.frequency,
        rfm.monetary,
        {%- for metric in [
            'orders_90d', 'orders_prior_90d', 'occasions', 'refunds_90d', 'days_since_created', 'cadence_ratio', 'threshold_days', 'is_annual_buyer', 'churned',
            'net_revenue_90d', 'net_revenue_prior_90d', 'gross_margin_365d', 'aov_365d', 'costs_total', 'clv_net_margin_basis',
            'clv_net_spend_basis', 'active_days_90d', 'days_since_login', 'logins_30d', 'logins_prior_90d_monthly', 'feature_events_30d',
            'feature_events_prior_90d_monthly', 'usage_seconds_30d', 'usage_seconds_prior_90d_monthly', 'features_used_30d',
            'features_used_prior_90d', 'usage_trend_30d', 'interactions_90d', 'touches_90d', 'touch_responses_90d', 'opted_out_channels',
            'tickets_30d', 'tickets_prior_90d_monthly', 'days_since_complaint', 'open_repeat_tickets', 'nps_age_days', 'csat_age_days',
            'points_expiring_30d', 'is_contract_churned', 'is_paused', 'champion_left'
        ] %}
        snapshots.{{ metric }}{% if not loop.last %},{% endif %}
        {%- endfor %}
    from customers
    left join snapshots
        on customers.customer_id = snapshots.customer_id
    left join rfm
        on customers.customer_id = rfm.customer_id
),

lists as (
    {%- for list in var('lists') %}
    select
        {{ literal(list.id) }} as list_id,
        {{ list.cooldown_days }} as cooldown_days
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

wanted as (
    {%- for list in var('lists') %}
    select
        {{ literal(list.id) }} as list_id,
        customer_id,
        coalesce(owner_id, {{ literal(list.owner) }}) as owner_id,
        cast({{ list.rank_by }} as double) as rank_value,
        cast({{ 'null' if list.max_rows_per_owner is none else list.max_rows_per_owner }} as integer) as max_rows_per_owner,
        -- The arm is drawn from the customer's own id, so nobody ever changes sides.
        case
            when {{ hash_fraction("'arm|" ~ list.id ~ "|' || customer_id") }} < {{ list.holdout_pct / 100 }} then 'control'
            else 'treat'
        end as arm
    from candidates
    where ({{ list.when }})
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- An owner's capacity counts before the arms are drawn, so that both arms are cut at the same value.
ranked as (
    select
        *,
        row_number() over (partition by list_id order by rank_value desc nulls last, customer_id) as place,
        row_number() over (partition by list_id, owner_id order by rank_value desc nulls last, customer_id) as owner_place
    from wanted
),

members as (
    select
        *,
        row_number() over (partition by list_id order by place) as priority_rank
    from ranked
    where owner_place <= max_rows_per_owner or max_rows_per_owner is null
),

-- An alert lasts until its customer has been off the list for the whole cooldown. Of two customers who turn out to be one, the
-- alert that is still on the list goes on, else the older one.
open_alerts as (
    select previous_members.*
    from previous_members
    inner join lists
        on previous_members.list_id = lists.list_id
    where previous_members.left_on is null
        or {{ days_between('previous_members.left_on', tonight()) }} < lists.cooldown_days
    qualify
        row_number() over (
            partition by previous_members.list_id, previous_members.customer_id
            order by
                case when previous_members.left_on is null then 0 else 1 end,
                previous_members.entered_on, previous_members.alert_id
        ) = 1
),

listed as (
    select
        members.list_id,
        members.customer_id,
        coalesce(
            open_alerts.alert_id,
            {{ stable_id(["members.list_id", "members.customer_id", "cast(" ~ tonight() ~ " as " ~ dbt.type_string() ~ ")"]) }}
        ) as alert_id,
        case when open_alerts.alert_id is null then 'new' else 'continuing' end as state,
        coalesce(open_alerts.arm, members.arm) as arm,
        members.owner_id,
        cast(members.priority_rank as integer) as priority_rank,
        coalesce(open_alerts.entered_on, {{ tonight() }}) as entered_on,
        cast(null as date) as left_on
    from members
    left join open_alerts
        on members.list_id = open_alerts.list_id
        and members.customer_id = open_alerts.customer_id
),

resolved as (
    select
        open_alerts.list_id,
        open_alerts.customer_id,
        open_alerts.alert_id,
        'resolved' as state,
        open_alerts.arm,
        open_alerts.owner_id,
        cast(null as integer) as priority_rank,
        open_alerts.entered_on,
        coalesce(open_alerts.left_on, {{ tonight() }}) as left_on
    from open_alerts
    left join members
        on open_alerts.list_id = members.list_id
        and open_alerts.customer_id = members.customer_id
    where members.customer_id is null
),

all_members as (
    select * from listed

    union all

    select * from resolved
),

final as (
    select
        {{ tonight() }} as as_of,
        all_members.list_id,
        all_members.customer_id,
        all_members.alert_id,
        all_members.state,
        all_members.arm,
        all_members.owner_id,
        all_members.priority_rank,
        risk.reason_1,
        risk.reason_2,
        risk.reason_3,
        risk.risk_level,
        risk.risk_score,
        risk.value_at_risk,
        all_members.entered_on,
        all_members.left_on
    from all_members
    left join risk
        on all_members.customer_id = risk.customer_id
)

select * from final
