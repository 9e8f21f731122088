{{ config(tags=['before_scores']) }}

with recursive claims as (
    select * from {{ ref('referral_claims') }}
),

customers as (
    select * from {{ ref('customers') }}
),

occasions as (
    select * from {{ ref('customer_occasions') }}
    where occasion_no = 1
),

points as (
    select * from {{ ref('points_entries') }}
    where kind = 'granted' and {{ is_referral_reason('reason') }}
),

seen as (
    select
        claims.*,
        occasions.occasion_on as first_order_on,
        case
            when claims.referrer_customer_id is null or claims.referee_customer_id is null then 'unknown_customer'
            when {{ is_refused_referral('claims.status') }} then 'refused_by_source'
            when claims.referrer_customer_id = claims.referee_customer_id then 'self_referral'
            when occasions.occasion_on < claims.referred_on then 'already_customer'
        end as refused_at_once
    from claims
    left join occasions
        on claims.referee_customer_id = occasions.customer_id
),

numbered as (
    select
        *,
        row_number() over (
            partition by referee_customer_id order by referred_at nulls first, referral_key
        ) as claim_no
    from seen
    where refused_at_once is null
),

-- Whoever was brought was brought once, by the first who says so.
edges as (
    select
        referral_key,
        referrer_customer_id,
        referee_customer_id,
        coalesce(referred_at, cast('1900-01-01' as timestamp)) as ordered_at
    from numbered
    where claim_no = 1
),

-- A circle is closed by its latest referral: from whom it says brought somebody, the earlier ones lead back to that somebody.
ancestors as (
    select
        edges.referral_key,
        edges.ordered_at,
        edges.referee_customer_id,
        edges.referrer_customer_id as ancestor_customer_id
    from edges
    inner join edges as earlier
        on edges.referee_customer_id = earlier.referrer_customer_id
        and (
            edges.ordered_at > earlier.ordered_at
            or (edges.ordered_at = earlier.ordered_at and edges.referral_key > earlier.referral_key)
        )

    union

    select
        ancestors.referral_key,
        ancestors.ordered_at,
        ancestors.referee_customer_id,
        edges.referrer_customer_id as ancestor_customer_id
    from ancestors
    inner join edges
        on ancestors.ancestor_customer_id = edges.referee_customer_id
        and (
            ancestors.ordered_at > edges.ordered_at
            or (ancestors.ordered_at = edges.ordered_at and ancestors.referral_key > edges.referral_key)
        )
    where ancestors.ancestor_customer_id <> ancestors.referee_customer_id
),

circles as (
    select distinct referral_key
    from ancestors
    where ancestor_customer_id = referee_customer_id
),

judged as (
    select
        seen.*,
        case
            when seen.refused_at_once is not null then seen.refused_at_once
            when numbered.claim_no > 1 then 'already_referred'
            when circles.referral_key is not null then 'loop'
            else 'accepted'
        end as verdict
    from seen
    left join numbered
        on seen.referral_key = numbered.referral_key
    left join circles
        on seen.referral_key = circles.referral_key
),

converted as (
    select
        referral_key,
        referrer_customer_id,
        row_number() over (
            partition by referrer_customer_id order by first_order_on, referral_key
        ) as reward_no
    from judged
    where verdict = 'accepted' and first_order_on is not null
),

-- The first reward that a referrer was given belongs to the first referral that came to something, and so on.
rewards as (
    select
        customer_id,
        delta,
        row_number() over (partition by customer_id order by booked_on, entry_key) as reward_no
    from points
),

final as (
    select
        judged.referral_key,
        judged.source_system,
        judged.source,
        judged.referrer_customer_id,
        judged.referee_customer_id,
        judged.status as source_status,
        judged.verdict,
        judged.referred_on,
        converted.referral_key is not null as is_converted,
        case when converted.referral_key is not null then judged.first_order_on end as converted_on,
        case when converted.referral_key is not null then cast(coalesce(rewards.delta, 0) as decimal(18, 4)) end as reward_points,
        case when converted.referral_key is not null then customers.net_revenue end as referral_revenue,
        case when converted.referral_key is not null then customers.gross_margin end as referral_value
    from judged
    left join converted
        on judged.referral_key = converted.referral_key
    left join rewards
        on converted.referrer_customer_id = rewards.customer_id
        and converted.reward_no = rewards.reward_no
    left join customers
        on judged.referee_customer_id = customers.customer_id
)

select * from final
