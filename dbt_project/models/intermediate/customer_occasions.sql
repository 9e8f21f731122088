{{ config(tags=['before_scores']) }}

with {% for input in occasion_inputs() -%}
{{ input }} as (
    select * from {{ ref(input) }}
),

{% endfor -%}
{{ known_occasions(tonight()) }},

silences as (
    select
        *,
        {{ add_days('occasion_on', 'threshold_days + 1') }} as lost_on
    from known_occasions
),

-- A customer is lost on the first day after the threshold, unless they buy on that very day; who buys later returns.
final as (
    select
        customer_id,
        occasion_on,
        occasion_no,
        purchases,
        amount,
        category,
        gap_days,
        own_gap_days,
        prior_gap_days,
        personal_gap_days,
        next_occasion_on,
        is_annual,
        usual_ratio,
        threshold_days,
        case
            when next_occasion_on > lost_on or (next_occasion_on is null and lost_on <= {{ tonight() }}) then lost_on
        end as churned_on
    from silences
)

select * from final
