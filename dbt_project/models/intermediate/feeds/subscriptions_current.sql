{{ config(tags=['before_scores']) }}

with {{ standing_rows('subscriptions') }},

final as (
    select
        -- ids
        source_system,
        source,
        contract_id,
        customer_no as source_customer_id,
        source_record_id,
        delivery_id,
        record_no,

        -- strings
        currency,
        status,
        cancel_reason,

        -- numerics
        mrr,

        -- booleans
        is_deleted,
        is_orphan,
        is_prospect,

        -- dates
        started_on,
        ends_on,
        renewal_due_on,
        cancelled_on
    from standing
)

select * from final
