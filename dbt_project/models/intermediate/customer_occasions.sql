{{ config(tags=['before_scores']) }}

with customer_days as (
    select * from {{ ref('customer_days') }}
),

refund_links as (
    select * from {{ ref('refund_links') }}
),

{{ known_occasions(tonight()) }},

-- A customer is lost on the first day after the threshold has passed in silence; what happens later is a return.
final as (
    select
        *,
        case
            when coalesce(next_occasion_on, {{ tonight() }}) > {{ add_days('occasion_on', 'threshold_days') }}
                then {{ add_days('occasion_on', 'threshold_days + 1') }}
        end as churned_on
    from known_occasions
)

select * from final
