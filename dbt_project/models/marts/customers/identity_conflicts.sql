{{ config(tags=['before_scores']) }}

with records as (
    select * from {{ ref('source_customers') }}
    where crowd_id is not null
),

final as (
    select
        crowd_id as conflict_id,
        count(*) as records,
        count(distinct customer_id) as customers,
        {{ rules_from('min(dropped_strength)') }} as dropped_rules,
        {{ var('identity_max_records_per_customer') }} as max_records
    from records
    group by crowd_id
)

select * from final
