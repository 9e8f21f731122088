with source as (
    select * from {{ source('raw', 'referrals') }}
),

renamed as (
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
        {{ row_hash(['referral_id', 'referrer_id', 'referred_id', 'status', '"at"']) }} as row_hash,
        {{ cast_errors(timestamps=['"at"']) }},

        -- timestamps
        {{ as_timestamp('"at"') }} as referred_at,
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
