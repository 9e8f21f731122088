{{ config(tags=['before_scores']) }}

with orders as (
    select * from {{ ref('stg_orders') }}
),

lines as (
    select * from {{ ref('stg_order_lines') }}
),

current_orders as (
    select * from {{ ref('orders_current') }}
),

-- What no single row could show: a value that its type cannot hold, a customer that nobody delivered.
final as (
    select
        source_system,
        source,
        delivery_id,
        'orders' as feed,
        record_no,
        source_order_id as source_key,
        case when cast_error = 'ordered_at' then 'bad_date' else 'bad_amount' end as code,
        cast_error as column_name,
        cast_error_value as raw_value
    from orders
    where cast_error is not null

    union all

    select
        source_system,
        source,
        delivery_id,
        'order_lines' as feed,
        record_no,
        source_order_id as source_key,
        'bad_amount' as code,
        cast_error as column_name,
        cast_error_value as raw_value
    from lines
    where cast_error is not null

    union all

    select
        source_system,
        source,
        delivery_id,
        'orders' as feed,
        record_no,
        source_order_id as source_key,
        'orphan_customer' as code,
        'source_customer_id' as column_name,
        cast(null as {{ dbt.type_string() }}) as raw_value
    from current_orders
    where is_orphan
)

select * from final
