{{ config(tags=['before_scores']) }}

with activity as (
    select
        coalesce(max(case when logins > 0 then 1 else 0 end), 0) = 1 as logins,
        coalesce(max(case when feature_events > 0 then 1 else 0 end), 0) = 1 as usage,
        coalesce(max(case when usage_seconds > 0 then 1 else 0 end), 0) = 1 as usage_time,
        coalesce(max(case when interactions > 0 then 1 else 0 end), 0) = 1 as interactions,
        coalesce(max(case when is_contact then 1 else 0 end), 0) = 1 as contacts,
        coalesce(max(case when touches > 0 then 1 else 0 end), 0) = 1 as touches
    from {{ ref('customer_activity_days') }}
),

features as (
    select count(*) > 0 as features
    from {{ ref('customer_feature_days') }}
),

tickets as (
    select count(*) > 0 as tickets
    from {{ ref('customer_tickets') }}
),

answers as (
    select
        count(*) filter (where survey = 'nps' and score is not null) > 0 as nps,
        count(*) filter (where survey = 'csat' and score is not null) > 0 as csat
    from {{ ref('customer_answers') }}
),

points as (
    select count(*) > 0 as points
    from {{ ref('points_entries') }}
),

consents as (
    select count(*) > 0 as consents
    from {{ ref('customer_consents') }}
),

contracts as (
    select count(*) > 0 as contracts
    from {{ ref('contract_periods') }}
),

persons as (
    select count(*) > 0 as persons
    from {{ ref('primary_contacts') }}
),

final as (
    select
        activity.logins,
        activity.usage,
        activity.usage_time,
        features.features,
        activity.interactions,
        activity.contacts,
        activity.touches,
        consents.consents,
        tickets.tickets,
        answers.nps,
        answers.csat,
        points.points,
        contracts.contracts,
        persons.persons
    from activity
    cross join features
    cross join tickets
    cross join answers
    cross join points
    cross join consents
    cross join contracts
    cross join persons
)

select * from final
