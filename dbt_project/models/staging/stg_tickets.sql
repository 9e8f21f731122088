with source as (
    select * from {{ source('raw', 'tickets') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        ticket_id,
        source_customer_id,
        delivery_id,
        record_no,

        -- strings
        kind,
        topic,
        priority,
        status,
        {{ row_hash([
            'ticket_id', 'source_customer_id', 'kind', 'topic', 'priority', 'status', 'csat', 'cost_amount',
            'opened_at', 'first_response_at', 'closed_at'
        ]) }} as row_hash,
        {{ cast_errors(timestamps=['opened_at', 'first_response_at', 'closed_at'], amounts=['cost_amount'], scores=['csat']) }},

        -- numerics
        {{ as_amount('csat') }} as csat,
        {{ as_amount('cost_amount') }} as cost_amount,

        -- timestamps
        {{ as_timestamp('opened_at') }} as opened_at,
        {{ as_timestamp('first_response_at') }} as first_response_at,
        {{ as_timestamp('closed_at') }} as closed_at,
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
