{{ config(tags=['before_scores']) }}

with occasions as (
    select * from {{ ref('customer_occasions') }}
),

first_occasions as (
    select
        cast({{ dbt.date_trunc('month', 'occasion_on') }} as date) as cohort_month,
        occasion_on,
        {{ days_between('occasion_on', 'next_occasion_on') }} as days_to_second
    from occasions
    where occasion_no = 1
),

windows as (
    {%- for window in [30, 60, 90, 180, 365] %}
    select {{ window }} as window_days
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- A customer is mature for a window once the whole window has passed.
watched as (
    select
        first_occasions.cohort_month,
        windows.window_days,
        {{ days_between('first_occasions.occasion_on', tonight()) }} >= windows.window_days as is_mature,
        coalesce(first_occasions.days_to_second <= windows.window_days, false) as is_repurchased,
        first_occasions.days_to_second
    from first_occasions
    cross join windows
),

final as (
    select
        cohort_month,
        window_days,
        count(*) filter (where is_mature) as mature_customers,
        count(*) filter (where is_mature and is_repurchased) as repurchased,
        {{ significant(
            'count(*) filter (where is_mature and is_repurchased) / nullif(count(*) filter (where is_mature), 0)'
        ) }} as repurchase_rate,
        {{ significant(
            'percentile_cont(0.5) within group (order by days_to_second) filter (where is_mature and is_repurchased)'
        ) }} as median_days_to_2nd
    from watched
    group by cohort_month, window_days
)

select * from final
