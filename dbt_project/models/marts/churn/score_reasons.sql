{{ config(tags=['after_scores']) }}
{#- What models read or say that no rule can name; everything else has its words in the metric catalogue. -#}
{%- set words = {
    'own_gap_days': ['个人购买间隔中位数（天）', 'Median gap between own purchases (days)'],
    'monetary_value': ['复购日均消费', 'Mean spend of a repeat purchase day'],
    'repeat_occasions': ['复购天数', 'Days with a repeat purchase'],
    'age_days': ['首购至今天数', 'Days since the first purchase'],
    'learned_gap_days': ['模型所用的购买间隔（天）', 'Gap between purchases as the model takes it (days)'],
    'learned_gap_ratio': ['未购买天数为模型所用购买间隔的倍数', 'Silence, in gaps between purchases as the model takes them'],
    'deviations_late': ['超出个人购买间隔的标准差数', 'Late by so many deviations of the own gaps'],
    'bought_once': ['仅购买一次', 'Has bought once'],
    'has_left': ['已离开的可能', 'May have left already'],
    'buys_seldom': ['尚在但购买稀疏', 'Is there, but buys seldom'],
    'repeats_per_day': ['日均复购次数', 'Repeat purchases per day'],
    'purchase_model': ['购买模型', 'The purchase model'],
    'renewals_made': ['已续约次数', 'Renewals made'],
    'contract_ended': ['合同结束至今天数', 'Days since the contract ended'],
    'average': ['同类客户平均', 'The average of similar customers'],
} %}

with reasons as (
    select * from {{ source('predictions', 'churn_reasons') }}
),

catalogue as (
    select * from {{ source('run', 'metric_catalog') }}
    where kind = 'customer'
),

ranked as (
    select
        reasons.*,
        catalogue.zh,
        catalogue.en,
        row_number() over (
            partition by reasons.customer_id
            order by abs(reasons.contribution) desc, reasons.feature
        ) as place
    from reasons
    left join catalogue
        on reasons.feature = catalogue.metric
),

final as (
    select
        {{ tonight() }} as as_of,
        customer_id,
        cast(place as integer) as place,
        feature,
        {%- for language in ['zh', 'en'] %}
        coalesce(
            {{ language }},
            case feature
                {%- for name, said in words.items() %}
                when '{{ name }}' then {{ literal(said[0 if language == 'zh' else 1]) }}
                {%- endfor %}
                else feature
            end
        ) as feature_{{ language }},
        {%- endfor %}
        {{ significant('value') }} as value,
        {{ significant('contribution') }} as contribution,
        {{ significant('base') }} as base,
        {{ significant('margin') }} as margin
    from ranked
)

select * from final
