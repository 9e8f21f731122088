{{ config(tags=['before_scores']) }}

with answers as (
    select * from {{ ref('customer_answers') }}
),

tickets as (
    select * from {{ ref('customer_tickets') }}
),

touches as (
    select * from {{ ref('campaign_touches_current') }}
    where not is_deleted
),

campaigns as (
    select * from {{ ref('campaigns_current') }}
    where not is_deleted
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

-- An invitation is a message of a campaign that asks.
invitations as (
    select distinct
        source_customers.customer_id,
        {{ business_date('touches.touched_at') }} as invited_on
    from touches
    inner join campaigns
        on touches.source_system = campaigns.source_system
        and touches.source = campaigns.source
        and touches.campaign_id = campaigns.campaign_id
    inner join source_customers
        on touches.source_record_id = source_customers.source_record_id
    where {{ is_survey_campaign('campaigns.kind') }}
        and {{ business_date('touches.touched_at') }} <= {{ tonight() }}
),

responses as (
    select distinct
        customer_id,
        answered_on
    from answers
    where answer_kind = 'survey_response'
),

answered_invitations as (
    select
        invitations.customer_id,
        invitations.invited_on,
        count(responses.customer_id) > 0 as is_answered
    from invitations
    left join responses
        on invitations.customer_id = responses.customer_id
        and invitations.invited_on <= responses.answered_on
        and {{ add_days('invitations.invited_on', 30) }} >= responses.answered_on
    group by invitations.customer_id, invitations.invited_on
),

final as (
    select
        customer_id,
        answered_on as happened_on,
        case when score is null then 'unusable' else survey end as kind,
        cast(null as {{ dbt.type_string() }}) as topic,
        score,
        answer_no,
        false as is_complaint,
        false as is_answered,
        false as is_open,
        cast(null as double) as hours
    from answers

    union all

    select
        customer_id,
        opened_on as happened_on,
        'opened' as kind,
        topic,
        null as score,
        null as answer_no,
        is_complaint,
        false as is_answered,
        closed_on is null or closed_on > {{ tonight() }} as is_open,
        case
            when {{ business_date('first_response_at') }} <= {{ tonight() }} then {{ hours_between('opened_at', 'first_response_at') }}
        end as hours
    from tickets

    union all

    select
        customer_id,
        closed_on as happened_on,
        'closed' as kind,
        topic,
        null as score,
        null as answer_no,
        is_complaint,
        csat is not null as is_answered,
        false as is_open,
        {{ hours_between('opened_at', 'closed_at') }} as hours
    from tickets
    where closed_on <= {{ tonight() }}

    union all

    select
        customer_id,
        invited_on as happened_on,
        'invited' as kind,
        null as topic,
        null as score,
        null as answer_no,
        false as is_complaint,
        is_answered,
        false as is_open,
        null as hours
    from answered_invitations
)

select * from final
