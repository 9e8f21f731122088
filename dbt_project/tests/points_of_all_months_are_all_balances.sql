with balances as (
    select coalesce(sum(balance), 0) as points
    from {{ ref('points_balances') }}
),

last_month as (
    select coalesce(max_by(closing_points, month), 0) as points
    from {{ ref('points_monthly') }}
)

select
    balances.points,
    last_month.points as points_of_last_month
from balances
cross join last_month
where balances.points <> last_month.points
