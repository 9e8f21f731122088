{{ config(tags=['before_scores']) }}

with {{ state_periods('lifecycle_stage') }},

final as (
    select
        customer_id,
        state as stage,
        entered_on,
        left_on,
        precision,
        dwell_days,
        state_before as stage_before
    from periods
)

select * from final
