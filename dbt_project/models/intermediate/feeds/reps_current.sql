{{ config(tags=['before_scores']) }}

with {{ standing_rows('reps') }},

final as (
    select
        -- ids
        source_system,
        source,
        rep_id,
        delivery_id,
        record_no,

        -- strings
        name,
        email,
        role,

        -- booleans
        is_active,
        is_deleted
    from standing
)

select * from final
