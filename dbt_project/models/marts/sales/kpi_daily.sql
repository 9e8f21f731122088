{{ config(tags=['after_scores']) }}

with calendar as (
    select * from {{ ref('calendar_days') }}
),

orders as (
    select * from {{ ref('orders') }}
    where is_valid
),

occasions as (
    select * from {{ ref('customer_occasions') }}
),

spells as (
    select * from {{ ref('customer_spells') }}
),

risk as (
    select * from {{ ref('churn_risk') }}
),

sales as (
    select
        order_date,
        count(*) filter (where is_purchase) as orders,
        count(*) filter (where kind = 'refund') as refunds,
        count(distinct customer_id) filter (where is_purchase) as buyers,
        sum(net_amount) filter (where kind = 'sale') as gross_revenue,
        sum(net_amount) filter (where kind = 'refund') as refund_amount,
        sum(net_amount) as net_revenue,
        sum(gross_margin) as gross_margin
    from orders
    group by order_date
),

first_occasions as (
    select
        occasion_on,
        {{ days_between('occasion_on', 'next_occasion_on') }} as days_to_second
    from occasions
    where occasion_no = 1
),

-- Every stock and every rolling rate is a running sum of the days on which customers enter and leave it.
movements as (
    select
        started_on as day,
        'active' as stock,
        1 as change
    from spells

    union all

    select
        churned_on as day,
        'active' as stock,
        -1 as change
    from spells
    where churned_on is not null

    union all

    select
        started_on as day,
        case when spell_no = 1 then 'new' else 'reactivated' end as stock,
        1 as change
    from spells

    union all

    select
        churned_on as day,
        'churned' as stock,
        1 as change
    from spells
    where churned_on is not null

    union all

    -- Counted on the days whose stock of 30 days before still held the customer who has left since.
    select
        greatest(churned_on, {{ add_days('started_on', 30) }}) as day,
        'churned_30d' as stock,
        1 as change
    from spells
    where churned_on is not null

    union all

    select
        greatest({{ add_days('churned_on', 30) }}, {{ add_days('started_on', 30) }}) as day,
        'churned_30d' as stock,
        -1 as change
    from spells
    where churned_on is not null

    union all

    -- Counted for the 90 days that follow the first 90 days of a customer.
    select
        {{ add_days('occasion_on', 90) }} as day,
        'mature_90d' as stock,
        1 as change
    from first_occasions

    union all

    select
        {{ add_days('occasion_on', 180) }} as day,
        'mature_90d' as stock,
        -1 as change
    from first_occasions

    union all

    select
        {{ add_days('occasion_on', 90) }} as day,
        'repurchased_90d' as stock,
        1 as change
    from first_occasions
    where days_to_second <= 90

    union all

    select
        {{ add_days('occasion_on', 180) }} as day,
        'repurchased_90d' as stock,
        -1 as change
    from first_occasions
    where days_to_second <= 90
),

daily_movements as (
    select
        day,
        sum(change) filter (where stock = 'active') as active,
        sum(change) filter (where stock = 'new') as new,
        sum(change) filter (where stock = 'reactivated') as reactivated,
        sum(change) filter (where stock = 'churned') as churned,
        sum(change) filter (where stock = 'churned_30d') as churned_30d,
        sum(change) filter (where stock = 'mature_90d') as mature_90d,
        sum(change) filter (where stock = 'repurchased_90d') as repurchased_90d
    from movements
    group by day
),

stocks as (
    select
        calendar.day,
        coalesce(daily_movements.new, 0) as new,
        coalesce(daily_movements.reactivated, 0) as reactivated,
        coalesce(daily_movements.churned, 0) as churned,
        sum(coalesce(daily_movements.active, 0)) over (
            order by calendar.day rows between unbounded preceding and current row
        ) as active,
        sum(coalesce(daily_movements.churned_30d, 0)) over (
            order by calendar.day rows between unbounded preceding and current row
        ) as churned_30d,
        sum(coalesce(daily_movements.mature_90d, 0)) over (
            order by calendar.day rows between unbounded preceding and current row
        ) as mature_90d,
        sum(coalesce(daily_movements.repurchased_90d, 0)) over (
            order by calendar.day rows between unbounded preceding and current row
        ) as repurchased_90d
    from calendar
    left join daily_movements
        on calendar.day = daily_movements.day
),

rates as (
    select
        *,
        lag(active, 30) over (order by day) as active_30d_ago
    from stocks
),

-- Risk is known for the night's own day only.
at_risk as (
    select
        as_of,
        count(*) filter (where risk_level in ('high', 'critical')) as at_risk,
        {{ exact_sum("case when risk_level in ('high', 'critical') then value_at_risk end") }} as value_at_risk
    from risk
    group by as_of
),

final as (
    select
        rates.day,
        cast(rates.active as bigint) as active_customers,
        cast(rates.new as bigint) as new_customers,
        cast(rates.reactivated as bigint) as reactivated_customers,
        cast(rates.churned as bigint) as churned_customers,
        coalesce(sales.buyers, 0) as buyers,
        coalesce(sales.orders, 0) as orders,
        coalesce(sales.refunds, 0) as refunds,
        cast(coalesce(sales.gross_revenue, 0) as decimal(18, 4)) as gross_revenue,
        cast(coalesce(sales.refund_amount, 0) as decimal(18, 4)) as refund_amount,
        cast(coalesce(sales.net_revenue, 0) as decimal(18, 4)) as net_revenue,
        cast(coalesce(sales.gross_margin, 0) as decimal(18, 4)) as gross_margin,
        {{ significant('cast(sales.net_revenue as double) / nullif(sales.orders, 0)') }} as aov,
        {{ significant('rates.repurchased_90d / nullif(rates.mature_90d, 0)') }} as repurchase_rate_90d,
        {{ significant('rates.churned_30d / nullif(rates.active_30d_ago, 0)') }} as churn_rate_30d,
        at_risk.at_risk,
        {{ significant('at_risk.value_at_risk') }} as value_at_risk
    from rates
    left join sales
        on rates.day = sales.order_date
    left join at_risk
        on rates.day = at_risk.as_of
)

select * from final
