{{ config(tags=['after_scores']) }}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }} and occasions > 0
),

orders as (
    select * from {{ ref('orders') }}
    where is_valid and customer_id is not null
),

costs as (
    select * from {{ ref('customer_costs') }}
),

years as (
    select * from {{ ref('relationship_years') }}
),

days as (
    select * from {{ ref('customer_days') }}
),

products as (
    select * from {{ ref('customer_products') }}
),

referrals as (
    select * from {{ ref('referrals') }}
    where is_converted
),

states as (
    select * from {{ source('predictions', 'btyd_states') }}
),

spend_model as (
    select * from {{ source('predictions', 'spend_model') }}
),

margin_sources as (
    select
        customer_id,
        max({{ margin_rank('margin_source') }}) as margin_rank
    from orders
    group by customer_id
),

repeat_totals as (
    select
        days.customer_id,
        sum(days.sales_margin + days.refund_margin) as repeat_value
    from days
    inner join snapshots
        on days.customer_id = snapshots.customer_id
        and days.order_on > snapshots.first_order_on
    group by days.customer_id
),

referral_totals as (
    select
        referrer_customer_id,
        sum(referral_value) as referral_value
    from referrals
    group by referrer_customer_id
),

cost_totals as (
    select
        customer_id,
        {%- for kind in ['touch', 'coupon', 'event'] %}
        coalesce(sum(amount) filter (where kind = '{{ kind }}' and is_counted), 0) as {{ kind }}_cost,
        {%- endfor %}
        coalesce(sum(amount) filter (where kind = 'service'), 0) as all_service_cost,
        coalesce(sum(amount) filter (where kind = 'service' and is_counted), 0) as service_cost
    from costs
    group by customer_id
),

observed as (
    select
        snapshots.*,
        years.observed_years,
        years.relationship_years,
        years.relationship_source,
        coalesce(cost_totals.touch_cost, 0) as touch_cost,
        coalesce(cost_totals.coupon_cost, 0) as coupon_cost,
        coalesce(cost_totals.event_cost, 0) as event_cost,
        coalesce(cost_totals.service_cost, 0) as service_cost,
        coalesce(cost_totals.all_service_cost, 0) as all_service_cost,
        coalesce(repeat_totals.repeat_value, 0) as repeat_value,
        products.other_categories_margin as cross_sell_value,
        coalesce(referral_totals.referral_value, 0) as referral_value,
        {{ margin_of_rank('margin_sources.margin_rank') }} as margin_source,
        cast(snapshots.net_revenue as double) / nullif(snapshots.orders, 0) as aov,
        -- What a sale leaves; refunds are no reason to expect another share of the next sale.
        case
            when snapshots.gross_revenue > 0 then cast(snapshots.sales_margin as double) / cast(snapshots.gross_revenue as double)
            else {{ var('default_margin_rate') }}
        end as margin_rate
    from snapshots
    inner join years
        on snapshots.customer_id = years.customer_id
    left join cost_totals
        on snapshots.customer_id = cost_totals.customer_id
    left join margin_sources
        on snapshots.customer_id = margin_sources.customer_id
    left join repeat_totals
        on snapshots.customer_id = repeat_totals.customer_id
    left join products
        on snapshots.customer_id = products.customer_id
    left join referral_totals
        on snapshots.customer_id = referral_totals.referrer_customer_id
),

formulas as (
    select
        *,
        orders / observed_years as orders_per_year
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
        -- Nobody is expected to be sold to at a loss for good.
        spend.expected_spend * greatest(spend.margin_rate, 0) as expected_margin,
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
        gross_margin as clv_historic_margin,
        cast(repeat_value as decimal(18, 4)) as repeat_value,
        cross_sell_value,
        cast(referral_value as decimal(18, 4)) as referral_value,
        clv_net_margin_basis as clv_net,
        clv_net_margin_basis,
        clv_net_spend_basis,
        {{ significant('cast(clv_net_margin_basis as double) / greatest(age_days / 365.0, 1 / 12.0)') }} as clv_net_per_year,
        cast(touch_cost as decimal(18, 4)) as touch_cost,
        cast(coupon_cost as decimal(18, 4)) as coupon_cost,
        cast(event_cost as decimal(18, 4)) as event_cost,
        cast(service_cost as decimal(18, 4)) as service_cost,
        {{ significant('case when net_revenue > 0 then cast(all_service_cost as double) / cast(net_revenue as double) end') }} as service_cost_ratio,
        {{ significant('aov') }} as aov,
        {{ significant('orders_per_year') }} as orders_per_year,
        {{ significant('relationship_years') }} as relationship_years,
        relationship_source,
        {{ significant('margin_rate') }} as margin_rate,
        margin_source,

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
        {{ significant('discounted_orders_365d * expected_margin * ' ~ var('costs').budget_share) }} as budget_cap,
        prediction_status
    from predicted
)

select * from final
