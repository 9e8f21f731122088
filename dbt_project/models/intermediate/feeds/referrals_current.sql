{{ config(tags=['before_scores']) }}

with {{ standing_rows('referrals') }},

final as (
    select
        -- ids
        source_system,
        source,
        referral_id,
        referrer_id,
        referred_id,
        delivery_id,
        record_no,

        -- strings
        status,

        -- booleans
        is_deleted,

        -- timestamps
        referred_at
    from standing
)

select * from final
