{{ config(tags=['before_scores']) }}

with staged as (
    select * from {{ ref('stg_subscriptions') }}
    where cast_error is null
),

deliveries as (
    select * from {{ ref('deliveries_current') }}
),

contracts as (
    select * from {{ ref('subscriptions_current') }}
    where not is_deleted and not is_orphan and source_record_id is not null and started_on <= {{ tonight() }}
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

rates as (
    select * from {{ ref('fx_rates_current') }}
    where not is_deleted
),

dated_keys as (
    select
        staged.source_system,
        staged.source,
        staged.contract_id,
        max(deliveries.version_at) as dated_at
    from staged
    inner join deliveries
        on staged.source = deliveries.source
        and staged.delivery_id = deliveries.delivery_id
    where staged.updated_at is not null and {{ is_told('staged.updated_at', 'deliveries.exported_at') }}
    group by staged.source_system, staged.source, staged.contract_id
),

-- Whose a contract is and when it began, only its standing row says.
said as (
    select
        {{ stable_id(['staged.source_system', 'staged.source', 'staged.contract_id']) }} as contract_key,
        staged.source_system,
        staged.source,
        staged.contract_id,
        source_customers.customer_id,
        contracts.started_on,
        staged.status,
        staged.mrr,
        coalesce(staged.currency, deliveries.currency) as currency,
        case
            when staged.renewal_due_on is not null then staged.renewal_due_on
            -- The end that a cancellation sets is no day on which to renew.
            when staged.cancelled_on is null or staged.ends_on > staged.cancelled_on then staged.ends_on
        end as due_on,
        {{ told_on('staged.updated_at', 'deliveries.exported_at') }} as told_on,
        {{ changed_at('staged.updated_at', 'deliveries.version_at', 'dated_keys.dated_at') }} as changed_at,
        deliveries.version_at,
        deliveries.corrected_at,
        staged.row_hash,
        staged.delivery_id,
        staged.record_no
    from staged
    inner join deliveries
        on staged.source = deliveries.source
        and staged.delivery_id = deliveries.delivery_id
    inner join contracts
        on staged.source_system = contracts.source_system
        and staged.source = contracts.source
        and staged.contract_id = contracts.contract_id
    inner join source_customers
        on contracts.source_record_id = source_customers.source_record_id
    left join dated_keys
        on staged.source_system = dated_keys.source_system
        and staged.source = dated_keys.source
        and staged.contract_id = dated_keys.contract_id
        and staged.updated_at is null
),

{{ statements_in_order('contract_key', 'row_hash') }},

numbered as (
    select
        *,
        row_number() over (partition by contract_key order by said_on) as version_no,
        lead(said_on) over (partition by contract_key order by said_on) as valid_to
    from statements
),

-- Every amount of a contract is taken at the rate of the day it began: a currency that moves is no growth.
final as (
    select
        -- ids
        numbered.contract_key,
        cast(numbered.version_no as integer) as version_no,
        numbered.source_system,
        numbered.source,
        numbered.contract_id,
        numbered.customer_id,

        -- strings
        numbered.status,
        numbered.currency,

        -- numerics
        numbered.mrr as mrr_orig,
        case
            when numbered.currency = '{{ var("base_currency") }}' then numbered.mrr
            else cast({{ product('numbered.mrr', 'rates.rate') }} as decimal(18, 4))
        end as mrr,

        -- booleans
        {{ is_paused_status('numbered.status') }} as is_paused,
        {{ is_ended_status('numbered.status') }} as is_ended,

        -- dates
        numbered.due_on,
        numbered.said_on,
        case when numbered.version_no = 1 then least(numbered.started_on, numbered.said_on) else numbered.said_on end as valid_from,
        numbered.valid_to
    from numbered
    left join rates
        on numbered.currency = rates.currency
        and numbered.started_on >= rates.valid_from
        and (numbered.started_on < rates.valid_to or rates.valid_to is null)
)

select * from final
