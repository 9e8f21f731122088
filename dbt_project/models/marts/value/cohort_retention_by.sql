{{ config(tags=['before_scores']) }}
{%- set dimensions = ['channel', 'region', 'customer_type', 'first_category'] %}

with customer_months as (
    select * from {{ ref('customer_months') }}
),

customers as (
    select * from {{ ref('customer_dimensions') }}
),

calendar as (
    select * from {{ ref('calendar_days') }}
),

-- Summed once for all dimensions together, and then for each.
combined as (
    select
        customer_months.cohort_month,
        customer_months.month,
        {%- for dimension in dimensions %}
        customers.{{ dimension }},
        {%- endfor %}
        count(*) filter (where customer_months.is_active) as active_customers,
        sum(customer_months.net_revenue) as net_revenue,
        sum(customer_months.gross_margin) as gross_margin
    from customer_months
    inner join customers
        on customer_months.customer_id = customers.customer_id
    group by all
),

periods as (
    {%- for dimension in dimensions %}
    select
        '{{ dimension }}' as dimension,
        {{ dimension }} as dimension_value,
        cohort_month,
        month,
        cast(sum(active_customers) as bigint) as active_customers,
        sum(net_revenue) as net_revenue,
        sum(gross_margin) as gross_margin
    from combined
    group by {{ dimension }}, cohort_month, month
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

{{ cohort_curves(['dimension', 'dimension_value']) }}

select * from final
