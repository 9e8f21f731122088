{{ config(tags=['before_scores']) }}

with as_of_dates as (
    select * from {{ source('run', 'as_of_dates') }}
    where purpose = 'training'
),

snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of < {{ tonight() }} and occasions > 0
),

occasions as (
    select * from {{ ref('customer_occasions') }}
),

-- The latest day that is learned from lies one learned horizon back: what was to come of it is known by tonight.
learned as (
    select {{ days_between('max(as_of)', tonight()) }} as horizon_days
    from as_of_dates
),

final as (
    select
        snapshots.as_of,
        snapshots.customer_id,
        min(occasions.occasion_on) as next_purchase_on,
        cast(
            count(*) filter (where occasions.occasion_on <= {{ add_days('snapshots.as_of', 'learned.horizon_days') }}) as bigint
        ) as purchases_after,
        coalesce(
            sum(occasions.amount) filter (where occasions.occasion_on <= {{ add_days('snapshots.as_of', 'learned.horizon_days') }}), 0
        ) as spent_after
    from snapshots
    cross join learned
    left join occasions
        on snapshots.customer_id = occasions.customer_id
        and snapshots.as_of < occasions.occasion_on
    group by snapshots.as_of, snapshots.customer_id
)

select * from final
