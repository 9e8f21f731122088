{{ config(tags=['before_scores']) }}

with {{ standing_rows('tickets') }},

final as (
    select
        -- ids
        source_system,
        source,
        ticket_id,
        customer_no as source_customer_id,
        source_record_id,
        delivery_id,
        record_no,

        -- strings
        kind,
        topic,
        priority,
        status,

        -- numerics
        csat,
        cost_amount,

        -- booleans
        is_deleted,
        is_orphan,
        is_prospect,

        -- timestamps
        opened_at,
        first_response_at,
        closed_at,
        updated_at
    from standing
)

select * from final
