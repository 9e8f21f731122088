{{ config(tags=['before_scores']) }}

with {{ standing_rows('survey_responses') }},

final as (
    select
        -- ids
        source_system,
        source,
        response_id,
        customer_no as source_customer_id,
        source_record_id,
        delivery_id,
        record_no,

        -- strings
        survey,
        comment_text,

        -- numerics
        score,
        scale_max,

        -- booleans
        is_deleted,
        is_orphan,
        is_prospect,

        -- timestamps
        responded_at
    from standing
)

select * from final
