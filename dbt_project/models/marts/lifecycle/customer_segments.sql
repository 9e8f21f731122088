{{ config(tags=['before_scores']) }}

with {{ state_periods('rfm_segment') }},

final as (
    select
        customer_id,
        state as rfm_segment,
        entered_on,
        left_on,
        precision,
        dwell_days,
        state_before as rfm_segment_before
    from periods
)

select * from final
