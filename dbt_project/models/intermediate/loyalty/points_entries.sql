{{ config(tags=['before_scores']) }}

with points as (
    select * from {{ ref('points_current') }}
    where not is_deleted and delta is not null
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

booked as (
    select
        {{ stable_id(['points.source_system', 'points.source', 'points.entry_id']) }} as entry_key,
        source_customers.customer_id,
        points.source_system,
        points.source,
        points.reason,
        points.delta,
        {{ business_date('points.booked_at') }} as booked_on,
        case
            when points.delta > 0 and points.expires_at is not null
                then greatest({{ business_date('points.expires_at') }}, {{ business_date('points.booked_at') }})
        end as expires_on,
        {{ is_expiry_reason('points.reason') }} as is_expiry
    from points
    inner join source_customers
        on points.source_record_id = source_customers.source_record_id
),

known as (
    select * from booked
    where booked_on <= {{ tonight() }}
),

sources_that_book_expiry as (
    select distinct source
    from known
    where is_expiry
),

-- Accounts from which something can have lapsed that nobody has booked.
open_accounts as (
    select distinct
        known.customer_id,
        known.source_system,
        known.source
    from known
    left join sources_that_book_expiry
        on known.source = sources_that_book_expiry.source
    where known.expires_on <= {{ tonight() }} and sources_that_book_expiry.source is null
),

movements as (
    select
        customer_id,
        source_system,
        source,
        expires_on as day,
        delta as expiring,
        0 as spent
    from known
    where expires_on <= {{ tonight() }}

    union all

    select
        customer_id,
        source_system,
        source,
        booked_on as day,
        0 as expiring,
        -delta as spent
    from known
    where delta < 0
),

days as (
    select
        movements.customer_id,
        movements.source_system,
        movements.source,
        movements.day,
        sum(movements.expiring) as expiring,
        sum(movements.spent) as spent
    from movements
    inner join open_accounts
        on movements.customer_id = open_accounts.customer_id
        and movements.source_system = open_accounts.source_system
        and movements.source = open_accounts.source
    group by all
),

-- Points are spent in the order in which they expire, on their last day at the latest. What had to be spent by a day and was not has
-- lapsed on it: the most by which what has expired ever exceeded what was spent.
unspent as (
    select
        *,
        sum(expiring) over (
            partition by customer_id, source_system, source order by day rows between unbounded preceding and current row
        ) - sum(spent) over (
            partition by customer_id, source_system, source order by day rows between unbounded preceding and current row
        ) as expired_unspent
    from days
),

lapsed as (
    select
        *,
        greatest(max(expired_unspent) over (
            partition by customer_id, source_system, source order by day rows between unbounded preceding and current row
        ), 0) as lapsed_until,
        greatest(coalesce(max(expired_unspent) over (
            partition by customer_id, source_system, source order by day rows between unbounded preceding and 1 preceding
        ), 0), 0) as lapsed_before
    from unspent
),

final as (
    select
        entry_key,
        customer_id,
        source_system,
        source,
        case when is_expiry then 'lapsed' when delta < 0 then 'spent' else 'granted' end as kind,
        reason,
        cast(delta as decimal(18, 4)) as delta,
        booked_on,
        expires_on
    from known

    union all

    select
        {{ stable_id(['customer_id', 'source_system', 'source', "'lapsed'", 'cast(day as ' ~ dbt.type_string() ~ ')']) }} as entry_key,
        customer_id,
        source_system,
        source,
        'lapsed' as kind,
        null as reason,
        cast(lapsed_before - lapsed_until as decimal(18, 4)) as delta,
        day as booked_on,
        null as expires_on
    from lapsed
    where lapsed_until > lapsed_before
)

select * from final
