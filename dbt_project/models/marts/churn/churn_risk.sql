{{ config(tags=['after_scores']) }}
{%- set levels = var('risk_levels') %}
{#- Below this chance of any further order its 10th percentile does not exist. -#}
{%- set least_chance = 0.1 %}
{%- set farthest_days = 730 %}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

clv as (
    select * from {{ ref('customer_clv') }}
),

predictions as (
    select * from {{ source('predictions', 'churn_scores') }}
),

states as (
    select * from {{ source('predictions', 'btyd_states') }}
),

signals as (
    select * from {{ ref('churn_signals') }}
    where fired and weighted_strength > 0
),

spells as (
    select * from {{ ref('customer_spells') }}
),

-- Lost is whoever has no spell that still lasts.
losses as (
    select
        customer_id,
        case when count(*) = count(churned_on) then max(churned_on) end as churned_on
    from spells
    group by customer_id
),

-- Noisy-or: the chance that at least one signal is right, if each were right on its own account.
scores as (
    select
        customer_id,
        {{ exact_sum('ln(1 - weighted_strength)', 18) }} as log_silence
    from signals
    group by customer_id
),

ranked_reasons as (
    select
        signals.customer_id,
        signals.signal_id,
        signals.reason_zh,
        signals.reason_en,
        100 * (1 - exp(scores.log_silence)) * ln(1 - signals.weighted_strength) / nullif(scores.log_silence, 0) as points,
        row_number() over (
            partition by signals.customer_id
            order by signals.weighted_strength desc, signals.signal_id
        ) as place
    from signals
    inner join scores
        on signals.customer_id = scores.customer_id
),

reasons as (
    select
        customer_id,
        {%- for place in [1, 2, 3] %}
        max(signal_id) filter (where place = {{ place }}) as reason_{{ place }},
        max(reason_zh) filter (where place = {{ place }}) as reason_{{ place }}_zh,
        max(reason_en) filter (where place = {{ place }}) as reason_{{ place }}_en,
        max(points) filter (where place = {{ place }}) as reason_{{ place }}_points
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from ranked_reasons
    group by customer_id
),

measured as (
    select
        snapshots.*,
        predictions.churn_probability,
        predictions.horizon_days,
        predictions.prediction_status as score_status,
        predictions.reason_zh as score_reason_zh,
        predictions.reason_en as score_reason_en,
        predictions.model,
        predictions.scored_on,
        clv.clv_if_alive_365d,
        clv.clv_predicted_365d,
        losses.churned_on,
        states.next_order_low_days,
        states.next_order_high_days,
        -- No date is given for what is unlikely to come at all, nor further ahead than the longest horizon.
        case
            when states.prediction_status is null or states.prediction_status <> 'model' then 'too_few_repeaters'
            when states.p_alive < {{ least_chance }} or states.next_order_low_days > {{ farthest_days }} then 'unlikely'
            when states.next_order_high_days > {{ farthest_days }} then 'open_ended'
            else 'interval'
        end as next_order_status,
        coalesce(100 * (1 - exp(scores.log_silence)), 0) as raw_score
    from snapshots
    inner join clv
        on snapshots.customer_id = clv.customer_id
    left join predictions
        on snapshots.customer_id = predictions.customer_id
    left join states
        on snapshots.repeat_occasions = states.frequency
        and snapshots.repeat_recency_days = states.recency_days
        and snapshots.age_days = states.age_days
    left join losses
        on snapshots.customer_id = losses.customer_id
    left join scores
        on snapshots.customer_id = scores.customer_id
),

rounded as (
    select
        *,
        {{ significant('raw_score') }} as risk_score
    from measured
),

final as (
    select
        rounded.as_of,
        rounded.customer_id,
        cast(rounded.horizon_days as integer) as horizon_days,
        {{ significant('rounded.churn_probability') }} as churn_probability,
        rounded.score_status,
        rounded.score_reason_zh,
        rounded.score_reason_en,
        rounded.model,
        rounded.scored_on,
        rounded.risk_score,
        case
            when rounded.risk_score >= {{ levels.critical }} then 'critical'
            when rounded.risk_score >= {{ levels.high }} then 'high'
            when rounded.risk_score >= {{ levels.medium }} then 'medium'
            else 'low'
        end as risk_level,
        {{ significant('greatest(rounded.clv_if_alive_365d - rounded.clv_predicted_365d, 0)') }} as value_at_risk,
        {%- for place in [1, 2, 3] %}
        reasons.reason_{{ place }},
        reasons.reason_{{ place }}_zh,
        reasons.reason_{{ place }}_en,
        {{ significant('reasons.reason_' ~ place ~ '_points') }} as reason_{{ place }}_points,
        {%- endfor %}
        rounded.recency_days,
        {{ significant('rounded.personal_gap_days') }} as personal_gap_days,
        {{ significant('rounded.cadence_ratio') }} as cadence_ratio,
        cast(rounded.threshold_days as integer) as threshold_days,
        rounded.churned_on,
        {{ add_days('rounded.last_order_on', 'round(rounded.personal_gap_days)') }} as expected_next_order_on,
        case
            when rounded.next_order_status in ('interval', 'open_ended')
                then {{ add_days('rounded.as_of', 'greatest(ceil(rounded.next_order_low_days), 1)') }}
        end as expected_next_order_low_on,
        case
            when rounded.next_order_status = 'interval'
                then {{ add_days('rounded.as_of', 'greatest(ceil(rounded.next_order_high_days), 1)') }}
        end as expected_next_order_high_on,
        rounded.next_order_status,
        {{ significant('greatest(rounded.recency_days - rounded.personal_gap_days, 0)') }} as days_overdue
    from rounded
    left join reasons
        on rounded.customer_id = reasons.customer_id
)

select * from final
