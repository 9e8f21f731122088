{{ config(tags=['before_scores']) }}

with interactions as (
    select * from {{ ref('interactions_current') }}
    where not is_deleted
),

touches as (
    select * from {{ ref('campaign_touches_current') }}
    where not is_deleted
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

named_interactions as (
    select
        source_customers.customer_id,
        {{ business_date('interactions.occurred_at') }} as active_on,
        lower(interactions.channel) as channel,
        lower(interactions.direction) as direction,
        lower(interactions.kind) as kind,
        interactions.feature,
        interactions.duration_s,
        -- Some systems export one row per event, some one per day with its number of events.
        greatest(coalesce(interactions.quantity, 1), 0) as events
    from interactions
    inner join source_customers
        on interactions.source_record_id = source_customers.source_record_id
),

sorted_interactions as (
    select
        *,
        coalesce(channel = 'login' or kind = 'login', false) as is_login,
        coalesce(channel in ('usage', 'page_view', 'click'), false) or feature is not null as is_usage
    from named_interactions
),

-- Talks where nobody says who began were held by both; a call may also have rung in vain.
judged_interactions as (
    select
        *,
        not is_login and not is_usage as is_talk,
        not is_login and not is_usage and (
            coalesce(direction = 'inbound', false)
            or (direction is null and coalesce(channel in ('chat', 'meeting', 'visit'), false))
        ) as is_from_customer,
        not is_login and not is_usage and (
            coalesce(direction = 'outbound', false) or coalesce(channel in ('call', 'chat', 'meeting', 'visit'), false)
        ) as is_to_customer
    from sorted_interactions
),

named_touches as (
    select
        source_customers.customer_id,
        {{ business_date('touches.touched_at') }} as active_on,
        lower(touches.channel) as channel,
        lower(touches.status) as status
    from touches
    inner join source_customers
        on touches.source_record_id = source_customers.source_record_id
),

-- What bounced or was only planned has reached nobody.
judged_touches as (
    select
        *,
        coalesce(status not in ('bounced', 'failed', 'planned', 'skipped', 'suppressed', 'control'), true) as is_touch,
        coalesce(status in ('opened', 'clicked', 'responded', 'replied', 'registered', 'attended', 'converted'), false) as is_response
    from named_touches
),

activities as (
    select
        customer_id,
        active_on,
        channel,
        is_login or is_usage or is_from_customer as is_active,
        is_to_customer as is_contact,
        case when is_login then events else 0 end as logins,
        case when is_usage then events else 0 end as feature_events,
        case when is_login or is_usage then coalesce(duration_s, 0) else 0 end as usage_seconds,
        case when is_talk then events else 0 end as interactions,
        case when is_from_customer then events else 0 end as replies,
        0 as touches,
        0 as touch_responses
    from judged_interactions

    union all

    select
        customer_id,
        active_on,
        channel,
        false as is_active,
        is_touch as is_contact,
        0 as logins,
        0 as feature_events,
        0 as usage_seconds,
        0 as interactions,
        case when is_response then 1 else 0 end as replies,
        case when is_touch then 1 else 0 end as touches,
        case when is_response then 1 else 0 end as touch_responses
    from judged_touches
),

days as (
    select
        customer_id,
        active_on,
        coalesce(channel, 'other') as channel,
        max(case when is_active then 1 else 0 end) = 1 as is_active,
        max(case when is_contact then 1 else 0 end) = 1 as is_contact,
        cast(sum(logins) as bigint) as logins,
        cast(sum(feature_events) as bigint) as feature_events,
        cast(sum(usage_seconds) as bigint) as usage_seconds,
        cast(sum(interactions) as bigint) as interactions,
        cast(sum(replies) as bigint) as replies,
        cast(sum(touches) as bigint) as touches,
        cast(sum(touch_responses) as bigint) as touch_responses
    from activities
    where active_on <= {{ tonight() }}
    group by customer_id, active_on, coalesce(channel, 'other')
),

-- What was last known of a customer on a day stands in one row: the one that was not replaced yet.
final as (
    select
        *,
        max(case when is_active then active_on end) over (
            partition by customer_id order by active_on, channel rows between unbounded preceding and current row
        ) as last_active_on,
        max(case when logins > 0 then active_on end) over (
            partition by customer_id order by active_on, channel rows between unbounded preceding and current row
        ) as last_login_on,
        max(case when is_contact then active_on end) over (
            partition by customer_id order by active_on, channel rows between unbounded preceding and current row
        ) as last_contact_on,
        lead(active_on) over (partition by customer_id order by active_on, channel) as replaced_on
    from days
)

select * from final
