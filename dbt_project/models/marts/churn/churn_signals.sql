{{ config(tags=['after_scores']) }}
{%- set predicted = {
    'frequency': 'case when snapshots.occasions > 0 then snapshots.rfm_frequency end',
    'monetary': 'case when snapshots.occasions > 0 then snapshots.rfm_monetary end',
    'clv_predicted_365d': 'clv.clv_predicted_365d',
    'churn_probability': 'scores.churn_probability',
    'churn_probability_lift': 'scores.churn_probability / nullif(base_rate.base_rate, 0) - 1',
    'base_rate': 'base_rate.base_rate',
} -%}
{%- set wordings = signal_wordings() -%}
{%- set columns = [] -%}
{%- set kinds = [] -%}
{%- for signal in var('signals') -%}
    {%- do columns.extend(columns_of_signal(signal)) -%}
    {%- for column in columns_of_signal(signal) if column in wordings and wordings[column].rests_on -%}
        {%- do kinds.append(wordings[column].rests_on) -%}
    {%- endfor -%}
{%- endfor %}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

clv as (
    select * from {{ ref('customer_clv') }}
),

recorded_data as (
    select * from {{ ref('recorded_data') }}
),

scores as (
    select
        customer_id,
        {{ significant('churn_probability') }} as churn_probability
    from {{ source('predictions', 'churn_scores') }}
),

base_rate as (
    select {{ exact_sum('churn_probability', 18) }} / nullif(count(churn_probability), 0) as base_rate
    from scores
),

-- What any signal reads, and nothing else. Who has a contract is judged by it and not by the silence between purchases; a silence of
-- months says nothing of who buys once a year.
metrics as (
    select
        snapshots.as_of,
        snapshots.customer_id,
        snapshots.occasions > 0 as is_buyer,
        coalesce(snapshots.is_annual_buyer and snapshots.recency_days <= snapshots.threshold_days, false) as is_between_years,
        {%- if var('business_model') == 'non_contractual' %}
        true as is_judged_by_purchases
        {%- elif var('business_model') == 'contractual' %}
        false as is_judged_by_purchases
        {%- else %}
        not snapshots.has_contract and not snapshots.is_contract_churned as is_judged_by_purchases
        {%- endif %}
        {%- for kind in kinds | unique %},
        recorded_data.{{ kind }} as has_{{ kind }}
        {%- endfor %}
        {%- for column in columns | unique %},
        {% if column in predicted %}{{ predicted[column] }}{% else %}snapshots.{{ column }}{% endif %} as {{ column }}
        {%- endfor %}
    from snapshots
    left join clv
        on snapshots.customer_id = clv.customer_id
    left join scores
        on snapshots.customer_id = scores.customer_id
    cross join base_rate
    cross join recorded_data
),

{%- for signal in var('signals') %}
{%- set is_change = signal.op in ['drop_pct', 'rise_pct'] %}
{%- set rests_on = [] %}
{%- for column in columns_of_signal(signal) if column in wordings and wordings[column].rests_on %}
    {%- do rests_on.append('has_' ~ wordings[column].rests_on) %}
{%- endfor %}

measured_{{ loop.index }} as (
    select
        *,
        {{ rests_on | unique | join(' and ') if rests_on else 'true' }} as is_recorded,
        cast({{ signal.metric }} as double) as signal_value,
        {{ signal_baseline(signal) }} as signal_baseline,
        {%- if is_change %}
        round(cast({{ signal.metric }} as double) / nullif({{ signal_baseline(signal) }}, 0) - 1, 9) as signal_change
        {%- else %}
        cast(null as double) as signal_change
        {%- endif %}
    from metrics
),

compared_{{ loop.index }} as (
    select
        *,
        case
            when not is_recorded then 'not_available'
            when signal_value is null then 'no_baseline'
            {%- if signal.metric in purchase_judgements() %}
            when not is_judged_by_purchases then 'no_baseline'
            {%- endif %}
            {%- if signal.metric == 'recency_days' %}
            when is_between_years then 'no_baseline'
            {%- endif %}
            {%- if is_change %}
            when signal_baseline is null then 'no_baseline'
            {%- if signal.min_baseline is defined and signal.min_baseline is not none %}
            when signal_baseline < {{ signal.min_baseline }} then 'no_baseline'
            {%- endif %}
            {%- if signal.op == 'drop_pct' %}
            when signal_baseline <= 0 then 'no_baseline'
            {%- else %}
            when signal_baseline < 0 then 'no_baseline'
            {%- endif %}
            {%- endif %}
            else 'available'
        end as availability,
        {{ signal_comparison(signal, signal.value) }} as is_met,
        {%- if signal.escalate_value is defined and signal.escalate_value is not none %}
        {{ signal_comparison(signal, signal.escalate_value) }} as is_escalated
        {%- else %}
        false as is_escalated
        {%- endif %}
    from measured_{{ loop.index }}
),

decided_{{ loop.index }} as (
    select
        *,
        availability = 'available' and is_met
        {%- if signal.min_value is defined and signal.min_value is not none %}
        and coalesce(signal_value >= {{ signal.min_value }}, false)
        {%- endif %}
        {%- if signal.max_age_metric is defined and signal.max_age_metric is not none %}
        and coalesce({{ signal.max_age_metric }} <= {{ signal.max_age_days }}, false)
        {%- endif %}
        {%- if signal.and_sql is defined and signal.and_sql is not none %}
        and coalesce({{ signal.and_sql }}, false)
        {%- endif %} as fired
    from compared_{{ loop.index }}
),
{%- endfor %}

signals as (
    {%- for signal in var('signals') %}
    {%- set escalates = signal.escalate_value is defined and signal.escalate_value is not none %}
    select
        as_of,
        customer_id,
        '{{ signal.id }}' as signal_id,
        availability,
        fired,
        case when availability <> 'not_available' then signal_value end as value,
        case when availability <> 'not_available' then signal_baseline end as baseline,
        {%- if escalates %}
        cast(case when fired and is_escalated then {{ signal.escalate_value }} else {{ signal.value }} end as double) as threshold,
        {%- else %}
        cast({{ signal.value }} as double) as threshold,
        {%- endif %}
        cast({{ signal.window_days if signal.window_days else 'null' }} as integer) as window_days,
        fired and is_escalated as is_escalated,
        case
            when fired
                then least(
                    {%- if escalates %}
                    case when is_escalated then {{ signal.escalate_weight }} else {{ signal.weight }} end
                    {%- else %}
                    {{ signal.weight }}
                    {%- endif %} * {{ 'least(greatest(signal_value, 0), 1)' if signal.metric == 'churn_probability_lift' and not signal.vs else '1' }},
                    0.99
                )
            else 0
        end as weighted_strength,
        case when availability = 'available' and is_met then {{ signal_evidence(signal) }} end as evidence,
        case when fired then {{ signal_reason(signal, 'zh') }} end as reason_zh,
        case when fired then {{ signal_reason(signal, 'en') }} end as reason_en
    from decided_{{ loop.index }}
    where is_buyer or fired
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- else %}
    select
        as_of,
        customer_id,
        cast(null as {{ dbt.type_string() }}) as signal_id,
        cast(null as {{ dbt.type_string() }}) as availability,
        false as fired,
        cast(null as double) as value,
        cast(null as double) as baseline,
        cast(null as double) as threshold,
        cast(null as integer) as window_days,
        false as is_escalated,
        0 as weighted_strength,
        cast(null as {{ dbt.type_string() }}) as evidence,
        cast(null as {{ dbt.type_string() }}) as reason_zh,
        cast(null as {{ dbt.type_string() }}) as reason_en
    from metrics
    where is_buyer is null
    {%- endfor %}
),

final as (
    select
        as_of,
        customer_id,
        signal_id,
        availability,
        fired,
        {{ significant('value') }} as value,
        {{ significant('baseline') }} as baseline,
        threshold,
        window_days,
        is_escalated,
        {{ significant('weighted_strength') }} as weighted_strength,
        evidence,
        reason_zh,
        reason_en
    from signals
)

select * from final
