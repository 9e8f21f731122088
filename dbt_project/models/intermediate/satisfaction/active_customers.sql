{{ config(tags=['before_scores']) }}
{%- set dimensions = ['all', 'channel', 'region'] %}

with spells as (
    select * from {{ ref('customer_spells') }}
),

customers as (
    select * from {{ ref('resolved_customers') }}
),

calendar as (
    select * from {{ ref('calendar_days') }}
),

kinds_of_periods as (
    {{ kinds_of_periods() }}
),

described as (
    select
        spells.customer_id,
        spells.spell_no,
        spells.started_on,
        spells.churned_on,
        'all' as of_all,
        coalesce(customers.acquisition_channel, 'unknown') as of_channel,
        coalesce(customers.region, 'unknown') as of_region
    from spells
    inner join customers
        on spells.customer_id = customers.customer_id
),

placed as (
    select
        described.*,
        kinds_of_periods.period,
        {{ period_start('kinds_of_periods.period', 'described.started_on') }} as started_in,
        {{ period_start('kinds_of_periods.period', 'described.churned_on') }} as ended_in
    from described
    cross join kinds_of_periods
),

-- Who is lost and comes back in one period has two spells in it, and is one customer.
followed as (
    select
        *,
        coalesce(lag(ended_in) over (partition by customer_id, period order by spell_no) = started_in, false) as is_counted_before
    from placed
),

periods as (
    select distinct
        kinds_of_periods.period,
        {{ period_start('kinds_of_periods.period', 'calendar.day') }} as month
    from calendar
    cross join kinds_of_periods

    union

    select distinct
        period,
        started_in as month
    from placed
),

{% for dimension in dimensions -%}
changes_by_{{ dimension }} as (
    select
        period,
        of_{{ dimension }} as segment,
        started_in as month,
        count(*) as started,
        count(*) filter (where is_counted_before) as counted_before,
        0 as ended
    from followed
    group by period, of_{{ dimension }}, started_in

    union all

    select
        period,
        of_{{ dimension }} as segment,
        ended_in as month,
        0 as started,
        0 as counted_before,
        count(*) as ended
    from followed
    where ended_in is not null
    group by period, of_{{ dimension }}, ended_in
),

segments_by_{{ dimension }} as (
    select distinct
        period,
        segment
    from changes_by_{{ dimension }}
),

-- A spell reaches into every period from that of its beginning to that of its end.
active_by_{{ dimension }} as (
    select
        periods.period,
        periods.month,
        '{{ dimension }}' as dimension,
        segments_by_{{ dimension }}.segment,
        sum(sum(coalesce(changes.started, 0)) - sum(coalesce(changes.ended, 0))) over (
            partition by periods.period, segments_by_{{ dimension }}.segment
            order by periods.month rows between unbounded preceding and current row
        ) + sum(coalesce(changes.ended, 0)) - sum(coalesce(changes.counted_before, 0)) as active_customers
    from periods
    inner join segments_by_{{ dimension }}
        on periods.period = segments_by_{{ dimension }}.period
    left join changes_by_{{ dimension }} as changes
        on periods.period = changes.period
        and periods.month = changes.month
        and segments_by_{{ dimension }}.segment = changes.segment
    group by periods.period, periods.month, segments_by_{{ dimension }}.segment
),

{% endfor -%}
{{ ends_of_periods() }},

active_on_grid as (
    select distinct
        ends_of_periods.period,
        ends_of_periods.month,
        grid.customer_id,
        grid.lifecycle_stage
    from ends_of_periods
    inner join {{ ref('customer_grid') }} as grid
        on ends_of_periods.as_of = grid.as_of
    inner join spells
        on grid.customer_id = spells.customer_id
        and ends_of_periods.as_of >= spells.started_on
        and (ends_of_periods.month <= spells.churned_on or spells.churned_on is null)
),

active_by_lifecycle_stage as (
    select
        period,
        month,
        'lifecycle_stage' as dimension,
        lifecycle_stage as segment,
        count(*) as active_customers
    from active_on_grid
    group by period, month, lifecycle_stage
),

final as (
    {%- for dimension in dimensions + ['lifecycle_stage'] %}
    select
        period,
        month,
        dimension,
        segment,
        cast(active_customers as bigint) as active_customers
    from active_by_{{ dimension }}
    where active_customers > 0
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
)

select * from final
