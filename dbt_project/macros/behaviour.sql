{#- The tables that `behaviour_snapshots` reads. -#}
{%- macro behaviour_inputs() -%}
    {{ return([
        'customer_activity_days', 'customer_feature_days', 'customer_tickets', 'customer_answers', 'customer_consents',
        'points_entries',
    ]) }}
{%- endmacro -%}

{#-
    The common table expressions that say what was known on one day of how every customer behaves: whether they log in, use
    things, talk, complain, answer and may be written to. Last of them: `behaviour_snapshots`, one row per customer of whom
    anything of the kind was recorded by then, with the figures that `behaviour_figures` lists for `read`.

    A window of 30 days ends with as_of and counts it. "prior_90d" are the 90 days before these 30; "monthly" says that their sum
    is divided by 3, so that it compares with 30 days.

    The calling model imports the tables that `behaviour_inputs` names; resolved_customers is read here by name, for what is imported
    and then read twice is kept in memory.
-#}
{%- macro behaviour_snapshots(as_of, read=none) -%}
-- Everything that the windows look at, and what was last known, in one go over a large table.
recent_activity as (
    select
        *,
        active_on > {{ add_days(as_of, -30) }} as is_of_30d,
        active_on > {{ add_days(as_of, -90) }} as is_of_90d,
        active_on > {{ add_days(as_of, -120) }} as is_of_120d,
        coalesce(replaced_on > {{ as_of }}, true) as is_last
    from customer_activity_days
    where active_on <= {{ as_of }}
        and (
            active_on > {{ add_days(as_of, -120) }}
            or (replies > 0 and active_on > {{ add_days(as_of, -365) }})
            or coalesce(replaced_on > {{ as_of }}, true)
        )
),

last_activity as (
    select
        customer_id,
        last_active_on,
        last_login_on,
        last_contact_on
    from recent_activity
    where is_last
),

activity as (
    select
        customer_id,
        sum(logins) filter (where is_of_30d) as logins_30d,
        sum(logins) filter (where not is_of_30d) as logins_prior_90d,
        sum(feature_events) filter (where is_of_30d) as feature_events_30d,
        sum(feature_events) filter (where not is_of_30d) as feature_events_prior_90d,
        sum(usage_seconds) filter (where is_of_30d) as usage_seconds_30d,
        sum(usage_seconds) filter (where not is_of_30d) as usage_seconds_prior_90d,
        sum(interactions) filter (where is_of_90d) as interactions_90d,
        sum(touches) filter (where is_of_90d) as touches_90d,
        sum(touch_responses) filter (where is_of_90d) as touch_responses_90d
    from recent_activity
    where is_of_120d
    group by customer_id
),

-- Where a customer speaks up or answers most often; the channel used last decides between equals, then its name.
replies_by_channel as (
    select
        customer_id,
        channel,
        sum(replies) as replies,
        max(active_on) as last_reply_on
    from recent_activity
    where active_on > {{ add_days(as_of, -365) }} and replies > 0 and channel <> 'other'
    group by customer_id, channel
),

preferred_channels as (
    select
        customer_id,
        channel as preferred_channel
    from replies_by_channel
    qualify row_number() over (partition by customer_id order by replies desc, last_reply_on desc, channel) = 1
),

features_by_customer as (
    select
        customer_id,
        feature,
        max(used_on) > {{ add_days(as_of, -30) }} as is_used_30d,
        min(used_on) <= {{ add_days(as_of, -30) }} as is_used_prior_90d
    from customer_feature_days
    where used_on > {{ add_days(as_of, -120) }} and used_on <= {{ as_of }}
    group by customer_id, feature
),

features as (
    select
        customer_id,
        count(*) filter (where is_used_30d) as features_used_30d,
        count(*) filter (where is_used_prior_90d) as features_used_prior_90d
    from features_by_customer
    group by customer_id
),

known_tickets as (
    select
        *,
        closed_on is null or closed_on > {{ as_of }} as is_open
    from customer_tickets
    where opened_on <= {{ as_of }}
),

tickets as (
    select
        customer_id,
        max(opened_on) as last_ticket_on,
        max(opened_on) filter (where is_complaint) as last_complaint_on,
        count(*) filter (where opened_on > {{ add_days(as_of, -30) }}) as tickets_30d,
        count(*) filter (
            where opened_on > {{ add_days(as_of, -120) }} and opened_on <= {{ add_days(as_of, -30) }}
        ) as tickets_prior_90d,
        count(*) filter (where is_complaint and opened_on > {{ add_days(as_of, -90) }}) as complaints_90d,
        count(*) filter (where is_open) as open_tickets
    from known_tickets
    group by customer_id
),

late_topics as (
    select
        customer_id,
        topic,
        count(*) as late_tickets
    from known_tickets
    where is_open and topic is not null and opened_on < {{ add_days(as_of, -var('ticket_sla_days')) }}
    group by customer_id, topic
),

repeat_tickets as (
    select
        customer_id,
        max(late_tickets) as open_repeat_tickets
    from late_topics
    group by customer_id
),

answers as (
    select
        customer_id,
        max(answered_on) as last_answer_on,
        max(answered_on) filter (where survey = 'nps') as nps_on,
        max(answered_on) filter (where survey = 'csat') as csat_on,
        max_by(score, answer_no) filter (where survey = 'nps') as nps_latest,
        max_by(score, answer_no) filter (where survey = 'csat') as csat_latest
    from customer_answers
    where answered_on <= {{ as_of }} and score is not null
    group by customer_id
),

points_by_account as (
    select
        customer_id,
        sum(delta) as balance,
        sum(delta) filter (where expires_on <= {{ add_days(as_of, 30) }}) as granted_until_then,
        -sum(delta) filter (where delta < 0) as gone
    from points_entries
    where booked_on <= {{ as_of }}
    group by customer_id, source_system, source
),

-- Points are spent in the order in which they expire: what expires soon is what of it is not gone yet.
points as (
    select
        customer_id,
        sum(balance) as points_balance,
        sum(greatest(coalesce(granted_until_then, 0) - coalesce(gone, 0), 0)) as points_expiring_30d
    from points_by_account
    group by customer_id
),

-- A channel is closed as soon as one purpose of it is.
consents as (
    select
        customer_id,
        count(distinct channel) as opted_out_channels
    from customer_consents
    where state = 'out'
        and stated_on <= {{ as_of }} and (replaced_on > {{ as_of }} or replaced_on is null)
    group by customer_id
),

behaviour_snapshots as (
    select
        resolved_customers.customer_id
        {%- for figure in behaviour_figures(as_of, read) %},
        {{ figure.sql | trim }} as {{ figure.name }}
        {%- endfor %}
    from {{ ref('resolved_customers') }} as resolved_customers
    {%- for part in behaviour_figures(as_of, read) | sum(attribute='parts', start=[]) | unique %}
    left join {{ part }}
        on resolved_customers.customer_id = {{ part }}.customer_id
    {%- endfor %}
)
{%- endmacro -%}

{#-
    The figures of `behaviour_snapshots`: their names, the common table expressions that they are read from, and how. Where `read` is given,
    the SQL that reads them, those that it does not name are left out: nothing is grouped and joined for a figure that is not asked for.
-#}
{%- macro behaviour_figures(as_of, read=none) -%}
{%- set figures = [
    ['days_since_login', ['last_activity'], 'cast(' ~ days_between('last_activity.last_login_on', as_of) ~ ' as integer)'],
    ['logins_30d', ['activity'], 'cast(coalesce(activity.logins_30d, 0) as bigint)'],
    ['logins_prior_90d_monthly', ['activity'], 'cast(coalesce(activity.logins_prior_90d, 0) as double) / 3'],
    ['feature_events_30d', ['activity'], 'cast(coalesce(activity.feature_events_30d, 0) as bigint)'],
    ['feature_events_prior_90d_monthly', ['activity'], 'cast(coalesce(activity.feature_events_prior_90d, 0) as double) / 3'],
    ['usage_seconds_30d', ['activity'], 'cast(coalesce(activity.usage_seconds_30d, 0) as bigint)'],
    ['usage_seconds_prior_90d_monthly', ['activity'], 'cast(coalesce(activity.usage_seconds_prior_90d, 0) as double) / 3'],
    ['features_used_30d', ['features'], 'cast(coalesce(features.features_used_30d, 0) as bigint)'],
    ['features_used_prior_90d', ['features'], 'cast(coalesce(features.features_used_prior_90d, 0) as bigint)'],
    ['usage_trend_30d', ['activity'], usage_trend('activity')],
    ['tickets_30d', ['tickets'], 'cast(coalesce(tickets.tickets_30d, 0) as bigint)'],
    ['tickets_prior_90d_monthly', ['tickets'], 'cast(coalesce(tickets.tickets_prior_90d, 0) as double) / 3'],
    ['complaints_90d', ['tickets'], 'cast(coalesce(tickets.complaints_90d, 0) as bigint)'],
    ['days_since_complaint', ['tickets'], 'cast(' ~ days_between('tickets.last_complaint_on', as_of) ~ ' as integer)'],
    ['open_tickets', ['tickets'], 'cast(coalesce(tickets.open_tickets, 0) as bigint)'],
    ['open_repeat_tickets', ['repeat_tickets'], 'cast(coalesce(repeat_tickets.open_repeat_tickets, 0) as bigint)'],
    ['nps_latest', ['answers'], 'cast(answers.nps_latest as double)'],
    ['nps_age_days', ['answers'], 'cast(' ~ days_between('answers.nps_on', as_of) ~ ' as integer)'],
    ['csat_latest', ['answers'], 'cast(answers.csat_latest as double)'],
    ['csat_age_days', ['answers'], 'cast(' ~ days_between('answers.csat_on', as_of) ~ ' as integer)'],
    ['interactions_90d', ['activity'], 'cast(coalesce(activity.interactions_90d, 0) as bigint)'],
    ['days_since_contact', ['last_activity'], 'cast(' ~ days_between('last_activity.last_contact_on', as_of) ~ ' as integer)'],
    ['last_activity_on', ['last_activity', 'tickets', 'answers'],
        'greatest(last_activity.last_active_on, tickets.last_ticket_on, answers.last_answer_on)'],
    ['touches_90d', ['activity'], 'cast(coalesce(activity.touches_90d, 0) as bigint)'],
    ['touch_responses_90d', ['activity'], 'cast(coalesce(activity.touch_responses_90d, 0) as bigint)'],
    ['opted_out_channels', ['consents'], 'cast(coalesce(consents.opted_out_channels, 0) as bigint)'],
    ['preferred_channel', ['preferred_channels'], 'preferred_channels.preferred_channel'],
    ['points_balance', ['points'], 'cast(coalesce(points.points_balance, 0) as decimal(18, 4))'],
    ['points_expiring_30d', ['points'], 'cast(coalesce(points.points_expiring_30d, 0) as decimal(18, 4))'],
] -%}
{%- set wanted = [] -%}
{%- for name, parts, sql in figures if read is none or name in read -%}
    {%- do wanted.append({'name': name, 'parts': parts, 'sql': sql}) -%}
{%- endfor -%}
{{ return(wanted) }}
{%- endmacro -%}

{#- How much more is used than before. Rounded, for 0.7 - 1 comes out a hair below -0.3, and a rule may ask for exactly that. -#}
{%- macro usage_trend(activity) -%}
round(cast(coalesce({{ activity }}.feature_events_30d, 0) as double) * 3 / nullif({{ activity }}.feature_events_prior_90d, 0) - 1, 9)
{%- endmacro -%}
