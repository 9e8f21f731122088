{{ config(tags=['before_scores']) }}

with interactions as (
    select * from {{ ref('interactions_current') }}
    where not is_deleted and feature is not null
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

used as (
    select
        source_customers.customer_id,
        {{ business_date('interactions.occurred_at') }} as used_on,
        interactions.feature
    from interactions
    inner join source_customers
        on interactions.source_record_id = source_customers.source_record_id
),

final as (
    select distinct
        customer_id,
        used_on,
        feature
    from used
    where used_on <= {{ tonight() }}
)

select * from final
