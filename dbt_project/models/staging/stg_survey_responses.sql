with source as (
    select * from {{ source('raw', 'survey_responses') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        response_id,
        source_customer_id,
        delivery_id,
        record_no,

        -- strings
        survey,
        comment as comment_text,
        {{ row_hash(['response_id', 'source_customer_id', 'survey', 'comment', 'score', 'scale_max', 'responded_at']) }} as row_hash,
        {{ cast_errors(timestamps=['responded_at'], amounts=['scale_max'], scores=['score']) }},

        -- numerics
        {{ as_amount('score') }} as score,
        {{ as_amount('scale_max') }} as scale_max,

        -- timestamps
        {{ as_timestamp('responded_at') }} as responded_at,
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
