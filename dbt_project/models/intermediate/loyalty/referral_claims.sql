{{ config(tags=['before_scores']) }}

with referrals as (
    select * from {{ ref('referrals_current') }}
    where not is_deleted
),

records as (
    select * from {{ ref('customers_current') }}
    where not is_deleted and referrer_id is not null
),

persons as (
    select * from {{ ref('persons_of_customers') }}
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

-- Some systems keep referrals, others say of a customer who brought them; where both do, it is one referral.
told as (
    select
        {{ stable_id(['source_system', 'source', 'referral_id']) }} as referral_key,
        source_system,
        source,
        referrer_id,
        referred_id,
        status,
        referred_at
    from referrals

    union all

    select
        {{ stable_id(['records.source_system', 'records.source', "'customer'", 'records.source_customer_id']) }} as referral_key,
        records.source_system,
        records.source,
        records.referrer_id,
        records.source_customer_id as referred_id,
        null as status,
        records.created_at as referred_at
    from records
    left join referrals
        on records.source_system = referrals.source_system
        and records.source = referrals.source
        and records.referrer_id = referrals.referrer_id
        and records.source_customer_id = referrals.referred_id
    where referrals.referral_id is null
),

-- A contact or a lead is named where others name the customer.
named as (
    select
        told.*,
        coalesce(referrers.source_customer_id, told.referrer_id) as referrer_no,
        coalesce(referees.source_customer_id, told.referred_id) as referee_no
    from told
    left join persons as referrers
        on told.source_system = referrers.source_system
        and told.source = referrers.source
        and told.referrer_id = referrers.person_id
    left join persons as referees
        on told.source_system = referees.source_system
        and told.source = referees.source
        and told.referred_id = referees.person_id
),

final as (
    select
        named.referral_key,
        named.source_system,
        named.source,
        referrers.customer_id as referrer_customer_id,
        referees.customer_id as referee_customer_id,
        named.status,
        coalesce(named.referred_at, referees.created_at) as referred_at,
        {{ business_date('coalesce(named.referred_at, referees.created_at)') }} as referred_on
    from named
    left join source_customers as referrers
        on {{ stable_id(['named.source_system', 'named.source', 'named.referrer_no']) }} = referrers.source_record_id
    left join source_customers as referees
        on {{ stable_id(['named.source_system', 'named.source', 'named.referee_no']) }} = referees.source_record_id
    where coalesce({{ business_date('coalesce(named.referred_at, referees.created_at)') }} <= {{ tonight() }}, true)
)

select * from final
