{{ config(tags=['before_scores']) }}

with deliveries as (
    select * from {{ ref('deliveries_current') }}
    where feed = 'customers'
),

records as (
    select * from {{ ref('customers_current') }}
    where not is_deleted and is_known
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

ranked_keys as (
    select distinct
        source_system,
        source,
        source_customer_id
    from {{ ref('stg_customers') }}
    where membership_level is not null
),

-- Of several records that a source keeps of one customer, the newest with a level speaks.
members as (
    select
        records.source_record_id,
        records.source_system,
        records.source,
        records.source_customer_id,
        source_customers.customer_id
    from records
    inner join source_customers
        on records.source_record_id = source_customers.source_record_id
    inner join ranked_keys
        on records.source_system = ranked_keys.source_system
        and records.source = ranked_keys.source
        and records.source_customer_id = ranked_keys.source_customer_id
    qualify
        row_number() over (
            partition by source_customers.customer_id, records.source_system, records.source
            order by
                case when records.membership_level is null then 1 else 0 end,
                source_customers.described_at desc nulls last, records.source_record_id
        ) = 1
),

dated_keys as (
    select
        staged.source_system,
        staged.source,
        staged.source_customer_id,
        max(deliveries.version_at) as dated_at
    from {{ ref('stg_customers') }} as staged
    inner join deliveries
        on staged.source = deliveries.source
        and staged.delivery_id = deliveries.delivery_id
    where staged.updated_at is not null and {{ is_told('staged.updated_at', 'deliveries.exported_at') }}
    group by staged.source_system, staged.source, staged.source_customer_id
),

said as (
    select
        members.customer_id,
        members.source_system,
        members.source,
        members.source_record_id,
        staged.membership_level as level,
        {{ told_on('staged.updated_at', 'deliveries.exported_at') }} as told_on,
        {{ changed_at('staged.updated_at', 'deliveries.version_at', 'dated_keys.dated_at') }} as changed_at,
        deliveries.version_at,
        deliveries.corrected_at,
        staged.row_hash,
        staged.delivery_id,
        staged.record_no
    from {{ ref('stg_customers') }} as staged
    inner join deliveries
        on staged.source = deliveries.source
        and staged.delivery_id = deliveries.delivery_id
    inner join members
        on staged.source_system = members.source_system
        and staged.source = members.source
        and staged.source_customer_id = members.source_customer_id
    left join dated_keys
        on staged.source_system = dated_keys.source_system
        and staged.source = dated_keys.source
        and staged.source_customer_id = dated_keys.source_customer_id
        and staged.updated_at is null
),

{{ statements_in_order('source_record_id', 'level') }},

periods as (
    select
        *,
        lag(level) over (partition by source_record_id order by said_on) as level_before,
        lead(said_on) over (partition by source_record_id order by said_on) as until_on,
        row_number() over (partition by source_record_id order by said_on) as period_no
    from statements
),

final as (
    select
        customer_id,
        source_system,
        source,
        level,
        level_before,
        said_on as since_on,
        until_on,
        until_on is null as is_current,
        period_no = 1 as is_first_known
    from periods
    where level is not null
)

select * from final
