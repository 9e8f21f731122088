{{ config(tags=['before_scores']) }}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }} and occasions > 0
),

-- Everything a buy-till-you-die model can tell apart; Python scores these and never sees a customer.
final as (
    select
        repeat_occasions as frequency,
        repeat_recency_days as recency_days,
        age_days,
        count(*) as customers
    from snapshots
    group by repeat_occasions, repeat_recency_days, age_days
)

select * from final
