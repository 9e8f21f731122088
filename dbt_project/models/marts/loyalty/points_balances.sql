{{ config(tags=['before_scores']) }}
{%- set soon = add_days(tonight(), 30) %}

with entries as (
    select * from {{ ref('points_entries') }}
),

accounts as (
    select
        customer_id,
        source_system,
        source,
        sum(delta) filter (where kind = 'granted') as granted,
        -coalesce(sum(delta) filter (where kind = 'spent'), 0) as spent,
        -coalesce(sum(delta) filter (where kind = 'lapsed'), 0) as lapsed,
        sum(delta) as balance,
        coalesce(sum(delta) filter (where expires_on <= {{ soon }}), 0) as expired_soon,
        max(booked_on) as last_booked_on
    from entries
    group by customer_id, source_system, source
),

-- What is spent was spent of what expires first.
expiring as (
    select
        *,
        greatest(least(expired_soon - spent - lapsed, balance), 0) as expiring_30d
    from accounts
),

final as (
    select
        {{ tonight() }} as as_of,
        customer_id,
        cast(coalesce(sum(granted), 0) as decimal(18, 4)) as granted,
        cast(sum(spent) as decimal(18, 4)) as spent,
        cast(sum(lapsed) as decimal(18, 4)) as lapsed,
        cast(sum(balance) as decimal(18, 4)) as balance,
        cast(sum(expiring_30d) as decimal(18, 4)) as expiring_30d,
        cast(greatest(sum(balance), 0) * cast({{ var('point_value') }} as decimal(9, 6)) as decimal(18, 4)) as liability,
        max(last_booked_on) as last_booked_on
    from expiring
    group by customer_id
)

select * from final
