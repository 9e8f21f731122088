{{ config(tags=['before_scores']) }}

with valid_orders as (
    select * from {{ ref('orders_current') }}
    where is_valid and order_on <= {{ tonight() }}
),

-- Where contracts say who is a customer, the stock of customers may begin before the first order.
contracts as (
    select * from {{ ref('contract_periods') }}
    where {{ var('business_model') != 'non_contractual' }}
),

first_days as (
    select order_on as first_day
    from valid_orders

    union all

    select started_on as first_day
    from contracts
),

span as (
    select
        min(first_day) as first_day,
        {{ tonight() }} as last_day
    from first_days
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
