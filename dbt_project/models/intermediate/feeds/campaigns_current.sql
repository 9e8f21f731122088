{{ config(tags=['before_scores']) }}

with {{ standing_rows('campaigns') }},

final as (
    select
        -- ids
        source_system,
        source,
        campaign_id,
        delivery_id,
        record_no,

        -- strings
        campaign_name,
        kind,
        currency,

        -- numerics
        budget,
        actual_cost,

        -- booleans
        is_deleted,

        -- dates
        started_on,
        ended_on
    from standing
)

select * from final
