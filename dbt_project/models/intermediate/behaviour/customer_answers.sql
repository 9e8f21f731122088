{{ config(tags=['before_scores']) }}

with survey_responses as (
    select * from {{ ref('survey_responses_current') }}
    where not is_deleted and survey in ('nps', 'csat')
),

tickets as (
    select * from {{ ref('customer_tickets') }}
    where csat is not null
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

answers as (
    select
        survey_responses.source_system,
        survey_responses.source,
        'survey_response' as answer_kind,
        survey_responses.response_id as answer_id,
        source_customers.customer_id,
        survey_responses.survey,
        survey_responses.score as stated_score,
        survey_responses.scale_max,
        survey_responses.responded_at as answered_at
    from survey_responses
    inner join source_customers
        on survey_responses.source_record_id = source_customers.source_record_id

    union all

    -- A ticket is rated after it was closed, and says no scale.
    select
        source_system,
        source,
        'ticket' as answer_kind,
        ticket_id as answer_id,
        customer_id,
        'csat' as survey,
        csat as stated_score,
        cast(null as decimal(18, 4)) as scale_max,
        coalesce(closed_at, opened_at) as answered_at
    from tickets
),

scored as (
    select
        *,
        {{ business_date('answered_at') }} as answered_on,
        case
            when survey = 'nps' then {{ nps_on_ten('stated_score', 'scale_max') }}
            else cast({{ csat_on_five('stated_score', 'scale_max') }} as double)
        end as score
    from answers
),

final as (
    select
        source_system,
        source,
        answer_kind,
        answer_id,
        customer_id,
        survey,
        row_number() over (
            partition by customer_id, survey order by answered_at, answer_kind, source_system, source, answer_id
        ) as answer_no,
        stated_score,
        scale_max,
        score,
        answered_at,
        answered_on
    from scored
    where answered_on <= {{ tonight() }}
)

select * from final
