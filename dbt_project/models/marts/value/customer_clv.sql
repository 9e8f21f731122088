{{ config(tags=['after_scores']) }}
{%- set min_years = var('min_observation_days') / 365 %}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

states as (
    select * from {{ source('predictions', 'btyd_states') }}
),

spend_model as (
    select * from {{ source('predictions', 'spend_model') }}
),

observed as (
    select
        *,
        greatest(age_days / 365.0, {{ min_years }}) as observed_years,
        cast(net_revenue as double) / nullif(orders, 0) as aov,
        -- What a sale leaves; refunds are no reason to expect another share of the next sale.
        case
            when gross_revenue > 0 then cast(sales_margin as double) / cast(gross_revenue as double)
            else {{ var('default_margin_rate') }}
        end as margin_rate
    from snapshots
),

formulas as (
    select
        *,
        orders / observed_years as orders_per_year,
        least(observed_years, {{ var('relationship_years_cap') }}) as relationship_years
    from observed
),

-- The conditional mean of Gamma-Gamma: the population's mean without repeat purchases, the customer's own as they grow.
spend as (
    select
        formulas.*,
        case
            when formulas.repeat_occasions > 0 and formulas.monetary_value > 0
                then spend_model.p * (spend_model.v + formulas.repeat_occasions * formulas.monetary_value)
                    / nullif(spend_model.p * formulas.repeat_occasions + spend_model.q - 1, 0)
            else spend_model.p * spend_model.v / nullif(spend_model.q - 1, 0)
        end as expected_spend
    from formulas
    cross join spend_model
),

predicted as (
    select
        spend.*,
        states.p_alive,
        states.p_no_purchase,
        states.expected_orders_90d,
        states.expected_orders_365d,
        states.prediction_status,
        spend.expected_spend * spend.margin_rate as expected_margin,
        states.discounted_orders_90d,
        states.discounted_orders_365d,
        states.discounted_orders_365d_if_alive,
        states.discounted_spend_ratio_365d_low,
        states.discounted_spend_ratio_365d_high
    from spend
    left join states
        on spend.repeat_occasions = states.frequency
        and spend.repeat_recency_days = states.recency_days
        and spend.age_days = states.age_days
),

final as (
    select
        as_of,
        customer_id,

        -- what was
        {{ significant('aov * orders_per_year * relationship_years') }} as clv_revenue_formula,
        {{ significant('aov * orders_per_year * relationship_years * margin_rate') }} as clv_margin_formula,
        gross_margin as clv_net,
        {{ significant('aov') }} as aov,
        {{ significant('orders_per_year') }} as orders_per_year,
        {{ significant('relationship_years') }} as relationship_years,
        {{ significant('margin_rate') }} as margin_rate,

        -- what is expected
        {{ significant('p_alive') }} as p_alive,
        {{ significant('p_no_purchase') }} as p_no_purchase,
        {{ significant('expected_orders_90d') }} as expected_orders_90d,
        {{ significant('expected_orders_365d') }} as expected_orders_365d,
        {{ significant('expected_spend') }} as expected_spend,
        {{ significant('discounted_orders_90d * expected_margin') }} as clv_predicted_90d,
        {{ significant('discounted_orders_365d * expected_margin') }} as clv_predicted_365d,
        {{ significant('discounted_spend_ratio_365d_low * expected_margin') }} as clv_predicted_365d_low,
        {{ significant('discounted_spend_ratio_365d_high * expected_margin') }} as clv_predicted_365d_high,
        {{ significant('discounted_orders_365d_if_alive * expected_margin') }} as clv_if_alive_365d,
        prediction_status
    from predicted
)

select * from final
