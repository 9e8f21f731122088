{{ config(tags=['after_scores']) }}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

clv as (
    select * from {{ ref('customer_clv') }}
),

base_rate as (
    select avg(p_no_purchase) as base_rate
    from clv
),

metrics as (
    select
        snapshots.as_of,
        snapshots.customer_id,
        cast(snapshots.recency_days as double) as recency_days,
        cast(snapshots.rfm_frequency as double) as frequency,
        cast(snapshots.rfm_monetary as double) as monetary,
        cast(snapshots.orders_365d as double) as orders_365d,
        snapshots.personal_gap_days,
        snapshots.cadence_ratio,
        greatest(snapshots.recency_days - snapshots.personal_gap_days, 0) as days_overdue,
        clv.clv_predicted_365d,
        clv.p_no_purchase as churn_probability,
        base_rate.base_rate,
        clv.p_no_purchase / nullif(base_rate.base_rate, 0) - 1 as churn_probability_lift
    from snapshots
    inner join clv
        on snapshots.customer_id = clv.customer_id
    cross join base_rate
),

{#-
    What a metric is measured against, how strongly it speaks (0 to 1), and how its number reads in a sentence.
    A metric that is not here speaks through the label of its signal.
-#}
{%- set evidence = {
    'cadence_ratio': {
        'baseline': 'personal_gap_days',
        'strength': '1',
        'zh': "'已 ' || " ~ spoken('recency_days', 0)
            ~ " || ' 天未下单，为个人购买周期 ' || " ~ spoken('personal_gap_days', 0)
            ~ " || ' 天的 ' || " ~ spoken('cadence_ratio', 1) ~ " || ' 倍（阈值 @ 倍）'",
        'en': "'No order for ' || " ~ spoken('recency_days', 0)
            ~ " || ' days, ' || " ~ spoken('cadence_ratio', 1)
            ~ " || ' times the personal cycle of ' || " ~ spoken('personal_gap_days', 0) ~ " || ' days (threshold @)'",
    },
    'recency_days': {
        'baseline': 'cast(null as double)',
        'strength': '1',
        'zh': "'已 ' || " ~ spoken('recency_days', 0) ~ " || ' 天未下单（阈值 @ 天）'",
        'en': "'No order for ' || " ~ spoken('recency_days', 0) ~ " || ' days (threshold @)'",
    },
    'churn_probability_lift': {
        'baseline': 'base_rate',
        'strength': 'least(greatest(churn_probability_lift, 0), 1)',
        'zh': "'" ~ var('churn_horizon_days')
            ~ " 天内不再购买的概率为 ' || " ~ spoken('churn_probability * 100', 0)
            ~ " || '%，平均为 ' || " ~ spoken('base_rate * 100', 0) ~ " || '%'",
        'en': "'Buys nothing within " ~ var('churn_horizon_days')
            ~ " days with probability ' || " ~ spoken('churn_probability * 100', 0)
            ~ " || '% (average ' || " ~ spoken('base_rate * 100', 0) ~ " || '%)'",
    },
} %}

signals as (
    {%- for signal in var('signals') %}
    {%- set by = evidence.get(signal.metric) or {
        'baseline': 'cast(null as double)',
        'strength': '1',
        'zh': literal(signal.zh ~ '：') ~ ' || ' ~ spoken(signal.metric, 1) ~ " || '（阈值 @）'",
        'en': literal(signal.en ~ ': ') ~ ' || ' ~ spoken(signal.metric, 1) ~ " || ' (threshold @)'",
    } %}
    select
        as_of,
        customer_id,
        '{{ signal.id }}' as signal_id,
        coalesce({{ signal.metric }} {{ signal.op }} {{ signal.value }}, false) as fired,
        {{ signal.metric }} as value,
        {{ by.baseline }} as baseline,
        cast({{ signal.value }} as double) as threshold,
        least({{ signal.weight }} * {{ by.strength }}, 0.99) as weighted_strength,
        {{ by.zh | replace('@', signal.value) }} as reason_zh,
        {{ by.en | replace('@', signal.value) }} as reason_en
    from metrics
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

final as (
    select
        as_of,
        customer_id,
        signal_id,
        fired,
        {{ significant('value') }} as value,
        {{ significant('baseline') }} as baseline,
        threshold,
        {{ significant('case when fired then weighted_strength else 0 end') }} as weighted_strength,
        case when fired then reason_zh end as reason_zh,
        case when fired then reason_en end as reason_en
    from signals
)

select * from final
