{{ config(tags=['before_scores']) }}

with tickets as (
    select * from {{ ref('tickets_current') }}
    where not is_deleted
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

deliveries as (
    select * from {{ ref('deliveries_current') }}
),

-- What a source calls closed without a day was closed by the last change of the row, or by its export.
named as (
    select
        tickets.source_system,
        tickets.source,
        tickets.ticket_id,
        source_customers.customer_id,
        tickets.source_record_id,
        lower(tickets.kind) as kind,
        lower(trim(coalesce(tickets.topic, tickets.kind))) as topic,
        lower(tickets.priority) as priority,
        tickets.csat,
        tickets.opened_at,
        tickets.first_response_at,
        tickets.closed_at,
        coalesce(
            tickets.closed_at,
            case when {{ is_closed_status('tickets.status') }} then coalesce(tickets.updated_at, deliveries.version_at) end
        ) as ended_at,
        tickets.delivery_id,
        tickets.record_no
    from tickets
    inner join source_customers
        on tickets.source_record_id = source_customers.source_record_id
    inner join deliveries
        on tickets.source = deliveries.source
        and tickets.delivery_id = deliveries.delivery_id
),

final as (
    select
        -- ids
        source_system,
        source,
        ticket_id,
        customer_id,
        source_record_id,
        delivery_id,
        record_no,

        -- strings
        kind,
        topic,
        priority,

        -- numerics
        csat,

        -- booleans
        coalesce(kind like '%complain%' or kind like '%投诉%' or kind like '%客诉%', false) as is_complaint,

        -- dates
        {{ business_date('opened_at') }} as opened_on,
        case
            when ended_at < opened_at then {{ business_date('opened_at') }}
            else {{ business_date('ended_at') }}
        end as closed_on,

        -- timestamps
        opened_at,
        first_response_at,
        closed_at
    from named
    where {{ business_date('opened_at') }} <= {{ tonight() }}
)

select * from final
