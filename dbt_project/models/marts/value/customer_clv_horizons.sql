{{ config(tags=['after_scores']) }}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }} and occasions > 0
),

clv as (
    select * from {{ ref('customer_clv') }}
),

horizons as (
    select * from {{ source('predictions', 'btyd_horizons') }}
),

final as (
    select
        snapshots.as_of,
        snapshots.customer_id,
        cast(horizons.horizon_days as integer) as horizon_days,
        {{ significant('horizons.expected_orders') }} as expected_orders,
        -- Nobody is expected to be sold to at a loss for good.
        {%- set margin = 'clv.expected_spend * greatest(clv.margin_rate, 0)' %}
        {{ significant('horizons.discounted_orders * ' ~ margin) }} as clv_predicted,
        {{ significant('horizons.discounted_spend_ratio_low * ' ~ margin) }} as clv_low,
        {{ significant('horizons.discounted_spend_ratio_high * ' ~ margin) }} as clv_high
    from snapshots
    inner join clv
        on snapshots.customer_id = clv.customer_id
    inner join horizons
        on snapshots.repeat_occasions = horizons.frequency
        and snapshots.repeat_recency_days = horizons.recency_days
        and snapshots.age_days = horizons.age_days
)

select * from final
