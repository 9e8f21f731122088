{#-
    States over time: tiers, stages and segments, read on the days of the grid. A state that a customer is found in on one day of
    the grid is taken to last until the next day of the grid that finds another.
-#}

{#- The common table expressions of the periods for which customers were in one state; last of them `periods`. -#}
{%- macro state_periods(state) -%}
grid as (
    select
        as_of,
        customer_id,
        {{ state }} as state
    from {{ ref('customer_grid') }}
    where {{ state }} is not null
),

grid_days as (
    select
        as_of,
        lag(as_of) over (order by as_of) as day_before
    from (select distinct as_of from {{ ref('customer_grid') }}) as days
),

marked as (
    select
        *,
        lag(state) over (partition by customer_id order by as_of) as state_before
    from grid
),

entered as (
    select
        customer_id,
        state,
        as_of as entered_on,
        state_before,
        lead(as_of) over (partition by customer_id order by as_of) as left_on
    from marked
    where state_before is null or state_before <> state
),

-- The change happened between two days of the grid: on the very day only where the day before is one of them.
periods as (
    select
        entered.customer_id,
        entered.state,
        entered.state_before,
        entered.entered_on,
        entered.left_on,
        case when {{ days_between('grid_days.day_before', 'entered.entered_on') }} = 1 then 'day' else 'month' end as precision,
        cast({{ days_between('entered.entered_on', 'coalesce(entered.left_on, ' ~ tonight() ~ ')') }} as integer) as dwell_days
    from entered
    inner join grid_days
        on entered.entered_on = grid_days.as_of
)
{%- endmacro -%}

{#-
    The common table expressions of who moved from which state to which within each month; last of them `migrations`. Only whole
    months count, from the last day of one to the last day of the next. Who was in no state before comes from `none`.
-#}
{%- macro state_migrations(state) -%}
grid as (
    select
        as_of,
        cast({{ dbt.date_trunc('month', 'as_of') }} as date) as month,
        customer_id,
        coalesce({{ state }}, 'none') as state,
        net_revenue_365d,
        gross_margin_365d
    from {{ ref('customer_grid') }}
    where as_of = {{ dbt.last_day('as_of', 'month') }}
),

first_month as (
    select min(month) as month
    from grid
),

moves as (
    select
        closing.month,
        coalesce(opening.state, 'none') as from_state,
        closing.state as to_state,
        count(*) as customers,
        sum(closing.net_revenue_365d) as net_revenue_365d,
        sum(closing.gross_margin_365d) as gross_margin_365d
    from grid as closing
    cross join first_month
    left join grid as opening
        on closing.customer_id = opening.customer_id
        and opening.month = cast({{ dbt.dateadd('month', -1, 'closing.month') }} as date)
    where closing.month > first_month.month
    group by all
),

migrations as (
    select
        month,
        from_state,
        to_state,
        customers,
        net_revenue_365d,
        gross_margin_365d,
        case
            when from_state <> 'none'
                then {{ significant('customers / nullif(sum(customers) over (partition by month, from_state), 0)') }}
        end as share
    from moves
    where from_state <> 'none' or to_state <> 'none'
)
{%- endmacro -%}
