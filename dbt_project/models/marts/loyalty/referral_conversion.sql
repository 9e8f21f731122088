{{ config(tags=['before_scores']) }}

with referrals as (
    select * from {{ ref('referrals') }}
    where referred_on is not null
),

answers as (
    select * from {{ ref('customer_answers') }}
    where survey = 'nps' and score is not null
),

-- What the referrer had last answered when recommending.
moods as (
    select
        referrals.referral_key,
        max_by(answers.score, answers.answer_no) as nps
    from referrals
    inner join answers
        on referrals.referrer_customer_id = answers.customer_id
        and referrals.referred_on >= answers.answered_on
    group by referrals.referral_key
),

grouped as (
    select
        cast({{ dbt.date_trunc('month', 'referrals.referred_on') }} as date) as month,
        case
            when moods.nps >= 9 then 'promoter'
            when moods.nps >= 7 then 'passive'
            when moods.nps is not null then 'detractor'
            else 'unknown'
        end as nps_group,
        referrals.*
    from referrals
    left join moods
        on referrals.referral_key = moods.referral_key
),

counted as (
    select
        month,
        nps_group,
        count(*) filter (where verdict = 'accepted') as referrals,
        count(*) filter (where verdict <> 'accepted') as refused,
        count(distinct case when verdict = 'accepted' then referrer_customer_id end) as referrers,
        count(*) filter (where is_converted) as converted,
        sum(reward_points) as reward_points,
        sum(referral_revenue) as referral_revenue,
        sum(referral_value) as referral_value
    from grouped
    group by month, nps_group
),

final as (
    select
        month,
        nps_group,
        referrals,
        refused,
        referrers,
        converted,
        {{ significant('converted / nullif(referrals, 0)') }} as conversion_rate,
        cast(coalesce(reward_points, 0) as decimal(18, 4)) as reward_points,
        cast(coalesce(referral_revenue, 0) as decimal(18, 4)) as referral_revenue,
        cast(coalesce(referral_value, 0) as decimal(18, 4)) as referral_value
    from counted
)

select * from final
