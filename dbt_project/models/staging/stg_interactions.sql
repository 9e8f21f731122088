with source as (
    select * from {{ source('raw', 'interactions') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        interaction_id,
        source_customer_id,
        owner_id,
        delivery_id,
        record_no,

        -- strings
        channel,
        direction,
        kind,
        feature,
        {{ row_hash([
            'interaction_id', 'source_customer_id', 'owner_id', 'channel', 'direction', 'kind', 'feature',
            'duration_s', 'quantity', 'occurred_at'
        ]) }} as row_hash,
        {{ cast_errors(timestamps=['occurred_at'], amounts=['duration_s', 'quantity']) }},

        -- numerics
        {{ as_amount('duration_s') }} as duration_s,
        {{ as_amount('quantity') }} as quantity,

        -- timestamps
        {{ as_timestamp('occurred_at') }} as occurred_at,
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
