{{ config(tags=['before_scores']) }}

with customer_days as (
    select * from {{ ref('customer_days') }}
),

refund_links as (
    select * from {{ ref('refund_links') }}
),

customer_day_categories as (
    select * from {{ ref('customer_day_categories') }}
),

{{ own_occasions(tonight(), 'customer_days', 'refund_links') }},

final as (
    select * from own_occasions
)

select * from final
