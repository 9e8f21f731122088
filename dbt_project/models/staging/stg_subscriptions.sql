with source as (
    select * from {{ source('raw', 'subscriptions') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        contract_id,
        source_customer_id,
        delivery_id,
        record_no,

        -- strings
        currency,
        status,
        cancel_reason,
        {{ row_hash([
            'contract_id', 'source_customer_id', 'currency', 'status', 'cancel_reason', 'mrr', 'started_on',
            'ends_on', 'renewal_due_on', 'cancelled_on'
        ]) }} as row_hash,
        {{ cast_errors(dates=['started_on', 'ends_on', 'renewal_due_on', 'cancelled_on'], amounts=['mrr']) }},

        -- numerics
        {{ as_amount('mrr') }} as mrr,

        -- dates
        {{ as_date('started_on') }} as started_on,
        {{ as_date('ends_on') }} as ends_on,
        {{ as_date('renewal_due_on') }} as renewal_due_on,
        {{ as_date('cancelled_on') }} as cancelled_on,

        -- timestamps
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
