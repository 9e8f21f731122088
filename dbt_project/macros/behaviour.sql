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
    anything of the kind was recorded by then, with the columns that `behaviour_columns` lists.

    A window of 30 days ends with as_of and counts it. "prior_90d" are the 90 days before these 30; "monthly" says that their sum
    is divided by 3, so that it compares with 30 days.

    The calling model imports the tables that `behaviour_inputs` names; resolved_customers is read here by name, for what is imported
    and then read twice is kept in memory.
-#}
{%- macro behaviour_snapshots(as_of) -%}
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
        resolved_customers.customer_id,

        -- logins and use
        cast({{ days_between('last_activity.last_login_on', as_of) }} as integer) as days_since_login,
        cast(coalesce(activity.logins_30d, 0) as bigint) as logins_30d,
        cast(coalesce(activity.logins_prior_90d, 0) as double) / 3 as logins_prior_90d_monthly,
        cast(coalesce(activity.feature_events_30d, 0) as bigint) as feature_events_30d,
        cast(coalesce(activity.feature_events_prior_90d, 0) as double) / 3 as feature_events_prior_90d_monthly,
        cast(coalesce(activity.usage_seconds_30d, 0) as bigint) as usage_seconds_30d,
        cast(coalesce(activity.usage_seconds_prior_90d, 0) as double) / 3 as usage_seconds_prior_90d_monthly,
        cast(coalesce(features.features_used_30d, 0) as bigint) as features_used_30d,
        cast(coalesce(features.features_used_prior_90d, 0) as bigint) as features_used_prior_90d,
        -- Rounded, for 0.7 - 1 comes out a hair below -0.3, and a rule may ask for exactly that.
        round(cast(coalesce(activity.feature_events_30d, 0) as double) * 3 / nullif(activity.feature_events_prior_90d, 0) - 1, 9) as usage_trend_30d,

        -- service
        cast(coalesce(tickets.tickets_30d, 0) as bigint) as tickets_30d,
        cast(coalesce(tickets.tickets_prior_90d, 0) as double) / 3 as tickets_prior_90d_monthly,
        cast(coalesce(tickets.complaints_90d, 0) as bigint) as complaints_90d,
        cast({{ days_between('tickets.last_complaint_on', as_of) }} as integer) as days_since_complaint,
        cast(coalesce(tickets.open_tickets, 0) as bigint) as open_tickets,
        cast(coalesce(repeat_tickets.open_repeat_tickets, 0) as bigint) as open_repeat_tickets,

        -- answers
        cast(answers.nps_latest as double) as nps_latest,
        cast({{ days_between('answers.nps_on', as_of) }} as integer) as nps_age_days,
        cast(answers.csat_latest as double) as csat_latest,
        cast({{ days_between('answers.csat_on', as_of) }} as integer) as csat_age_days,

        -- contacts
        cast(coalesce(activity.interactions_90d, 0) as bigint) as interactions_90d,
        cast({{ days_between('last_activity.last_contact_on', as_of) }} as integer) as days_since_contact,
        greatest(last_activity.last_active_on, tickets.last_ticket_on, answers.last_answer_on) as last_activity_on,
        cast(coalesce(activity.touches_90d, 0) as bigint) as touches_90d,
        cast(coalesce(activity.touch_responses_90d, 0) as bigint) as touch_responses_90d,
        cast(coalesce(consents.opted_out_channels, 0) as bigint) as opted_out_channels,
        preferred_channels.preferred_channel,

        -- points
        cast(coalesce(points.points_balance, 0) as decimal(18, 4)) as points_balance,
        cast(coalesce(points.points_expiring_30d, 0) as decimal(18, 4)) as points_expiring_30d
    from {{ ref('resolved_customers') }} as resolved_customers
    left join last_activity
        on resolved_customers.customer_id = last_activity.customer_id
    left join activity
        on resolved_customers.customer_id = activity.customer_id
    left join preferred_channels
        on resolved_customers.customer_id = preferred_channels.customer_id
    left join features
        on resolved_customers.customer_id = features.customer_id
    left join tickets
        on resolved_customers.customer_id = tickets.customer_id
    left join repeat_tickets
        on resolved_customers.customer_id = repeat_tickets.customer_id
    left join answers
        on resolved_customers.customer_id = answers.customer_id
    left join points
        on resolved_customers.customer_id = points.customer_id
    left join consents
        on resolved_customers.customer_id = consents.customer_id
)
{%- endmacro -%}

{#- The columns of `behaviour_snapshots`, for the select list of who joins it. -#}
{%- macro behaviour_columns() -%}
{%- for column in [
    'days_since_login', 'logins_30d', 'logins_prior_90d_monthly', 'feature_events_30d', 'feature_events_prior_90d_monthly',
    'usage_seconds_30d', 'usage_seconds_prior_90d_monthly', 'features_used_30d', 'features_used_prior_90d', 'usage_trend_30d',
    'tickets_30d', 'tickets_prior_90d_monthly', 'complaints_90d', 'days_since_complaint', 'open_tickets', 'open_repeat_tickets',
    'nps_latest', 'nps_age_days', 'csat_latest', 'csat_age_days', 'interactions_90d', 'days_since_contact', 'last_activity_on',
    'touches_90d', 'touch_responses_90d', 'opted_out_channels', 'preferred_channel', 'points_balance', 'points_expiring_30d',
] %}
        behaviour_snapshots.{{ column }}{% if not loop.last %},{% endif %}
{%- endfor %}
{%- endmacro -%}
