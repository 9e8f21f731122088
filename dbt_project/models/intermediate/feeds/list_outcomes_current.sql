{{ config(tags=['before_scores']) }}

with {{ standing_rows('list_outcomes') }},

final as (
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
        comment_text,
        actor,

        -- booleans
        is_deleted,

        -- timestamps
        reported_at
    from standing
)

select * from final
