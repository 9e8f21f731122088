{{ config(tags=['before_scores']) }}

with consents as (
    select * from {{ ref('consents_current') }}
    where not is_deleted
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

named as (
    select
        source_customers.customer_id,
        consents.source_system,
        consents.source,
        consents.stated_by,
        lower(consents.channel) as channel,
        lower(consents.purpose) as purpose,
        consents.state,
        consents.stated_at,
        {{ business_date('consents.stated_at') }} as stated_on
    from consents
    inner join source_customers
        on consents.source_record_id = source_customers.source_record_id
),

-- Of what is said at one moment, a no stands: it is the later one.
numbered as (
    select
        *,
        row_number() over (
            partition by customer_id, channel, purpose
            order by stated_at, case when state = 'out' then 1 else 0 end, state, source_system, source, stated_by
        ) as statement_no
    from named
    where stated_on <= {{ tonight() }}
),

final as (
    select
        customer_id,
        channel,
        purpose,
        statement_no,
        state,
        stated_on,
        lead(stated_on) over (partition by customer_id, channel, purpose order by statement_no) as replaced_on,
        source_system,
        source,
        stated_by
    from numbered
)

select * from final
