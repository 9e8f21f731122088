with source as (
    select * from {{ source('raw', 'list_outcomes') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        alert_id,
        delivery_id,
        record_no,

        -- strings
        outcome,
        reason_code,
        comment as comment_text,
        actor,
        {{ row_hash(['alert_id', 'outcome', 'reason_code', 'comment', 'actor', '"at"']) }} as row_hash,
        {{ cast_errors(timestamps=['"at"']) }},

        -- timestamps
        {{ as_timestamp('"at"') }} as reported_at
    from source
)

select * from renamed
