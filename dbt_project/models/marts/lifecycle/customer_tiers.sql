{{ config(tags=['before_scores']) }}

with {{ state_periods('tier') }},

final as (
    select
        customer_id,
        state as tier,
        entered_on,
        left_on,
        precision,
        dwell_days,
        state_before as tier_before
    from periods
)

select * from final
