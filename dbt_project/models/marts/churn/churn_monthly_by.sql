{{ config(tags=['before_scores']) }}
{%- set dimensions = ['channel', 'region', 'customer_type', 'first_category'] %}
{%- set movements = ['new', 'reactivated', 'churned', 'intra_period_churn'] %}

with spells as (
    select * from {{ ref('customer_spells') }}
),

customers as (
    select * from {{ ref('customer_dimensions') }}
),

calendar as (
    select * from {{ ref('calendar_days') }}
),

months as (
    select
        month,
        max(day) = {{ dbt.last_day('month', 'month') }} as is_complete
    from calendar
    group by month
),

beginnings_and_ends as (
    select
        customer_id,
        cast({{ dbt.date_trunc('month', 'started_on') }} as date) as month,
        case when spell_no = 1 then 'new' else 'reactivated' end as movement
    from spells

    union all

    select
        customer_id,
        cast({{ dbt.date_trunc('month', 'churned_on') }} as date) as month,
        case when started_on < {{ dbt.date_trunc('month', 'churned_on') }} then 'churned' else 'intra_period_churn' end as movement
    from spells
    where churned_on is not null
),

-- Counted once for all dimensions together, and then for each.
combined as (
    select
        beginnings_and_ends.month,
        beginnings_and_ends.movement,
        {%- for dimension in dimensions %}
        customers.{{ dimension }},
        {%- endfor %}
        count(*) as customers
    from beginnings_and_ends
    inner join customers
        on beginnings_and_ends.customer_id = customers.customer_id
    group by all
),

moved as (
    {%- for dimension in dimensions %}
    select
        '{{ dimension }}' as dimension,
        {{ dimension }} as dimension_value,
        month,
        {%- for movement in movements %}
        coalesce(sum(customers) filter (where movement = '{{ movement }}'), 0) as {{ movement }}{% if not loop.last %},{% endif %}
        {%- endfor %}
    from combined
    group by {{ dimension }}, month
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

dimension_values as (
    select distinct
        dimension,
        dimension_value
    from moved
),

-- Every value meets every month from the shop's first on; a stock is the running sum of what moved it.
stocks as (
    select
        dimension_values.dimension,
        dimension_values.dimension_value,
        months.month,
        months.is_complete,
        {%- for movement in movements %}
        coalesce(moved.{{ movement }}, 0) as {{ movement }},
        {%- endfor %}
        sum(
            coalesce(moved.new, 0) + coalesce(moved.reactivated, 0) - coalesce(moved.churned, 0) - coalesce(moved.intra_period_churn, 0)
        ) over (
            partition by dimension_values.dimension, dimension_values.dimension_value
            order by months.month rows between unbounded preceding and current row
        ) as closing
    from dimension_values
    cross join months
    left join moved
        on dimension_values.dimension = moved.dimension
        and dimension_values.dimension_value = moved.dimension_value
        and months.month = moved.month
),

opened as (
    select
        *,
        closing - new - reactivated + churned + intra_period_churn as opening
    from stocks
),

final as (
    select
        dimension,
        dimension_value,
        month,
        cast(opening as bigint) as opening,
        {%- for movement in movements %}
        cast({{ movement }} as bigint) as {{ movement }},
        {%- endfor %}
        cast(closing as bigint) as closing,
        case when is_complete then {{ significant('churned / nullif(opening, 0)') }} end as churn_rate,
        case when is_complete then {{ significant('1 - churned / nullif(opening, 0)') }} end as retention_rate,
        is_complete
    from opened
)

select * from final
