{{ config(tags=['before_scores']) }}

with occasions as (
    select * from {{ ref('customer_occasions') }}
),

windows as (
    {%- for window in [30, 60, 90, 180, 365] %}
    select {{ window }} as window_days
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

bought as (
    select
        windows.window_days,
        occasions.customer_id,
        count(*) as occasions
    from windows
    inner join occasions
        on {{ days_between('occasions.occasion_on', tonight()) }} < windows.window_days
    group by windows.window_days, occasions.customer_id
),

counted as (
    select
        window_days,
        count(*) as buyers,
        count(*) filter (where occasions >= 2) as repeat_buyers
    from bought
    group by window_days
),

final as (
    select
        {{ tonight() }} as as_of,
        windows.window_days,
        coalesce(counted.buyers, 0) as buyers,
        coalesce(counted.repeat_buyers, 0) as repeat_buyers,
        {{ significant('counted.repeat_buyers / nullif(counted.buyers, 0)') }} as repeat_buyer_rate
    from windows
    left join counted
        on windows.window_days = counted.window_days
)

select * from final
