{{ config(tags=['before_scores']) }}

with valid_orders as (
    select * from {{ ref('orders_current') }}
    where is_valid and order_on <= {{ tonight() }}
),

span as (
    select
        min(order_on) as first_day,
        {{ tonight() }} as last_day
    from valid_orders
),

known_span as (
    select * from span
    where first_day is not null
),

days as (
    {{ day_series('known_span', 'first_day', 'last_day') }}
),

final as (
    select
        day,
        cast({{ dbt.date_trunc('month', 'day') }} as date) as month
    from days
)

select * from final
