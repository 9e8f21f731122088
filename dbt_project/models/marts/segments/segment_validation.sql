{{ config(tags=['after_scores']) }}
{#-
    A segment is worth acting on if its customers behave otherwise than the rest, and are the same people from month to month. It is tried on
    a past day of the grid: who was in it then, and what did they spend in the 90 days after?
-#}
{%- set horizon_days = 90 %}
{%- set fewest_customers = 30 %}
{%- set least_z = 3.29 %}
{%- set least_ratio = 1.25 %}
{%- set least_stability = 0.5 %}

with grid as (
    select * from {{ ref('customer_grid') }}
),

days as (
    select * from {{ ref('customer_days') }}
),

membership as (
    select * from {{ ref('segment_membership') }}
),

classes as (
    select * from {{ ref('customer_classes') }}
),

segments as (
    {%- for scheme in var('segment_schemes') %}
    {%- set outer = loop %}
    {%- for segment in scheme.segments %}
    select
        '{{ scheme.id }}' as scheme,
        {{ literal(scheme.zh) }} as scheme_zh,
        {{ literal(scheme.en) }} as scheme_en,
        '{{ scheme.family }}' as family,
        '{{ segment.id }}' as segment,
        {{ literal(segment.zh) }} as segment_zh,
        {{ literal(segment.en) }} as segment_en,
        {{ rule_version(scheme) }} as version,
        {{ (scheme.on_grid or scheme.on_record) | string | lower }} as is_known_of_past
    {%- if not (loop.last and outer.last) %}

    union all
    {% endif %}
    {%- endfor %}
    {%- else %}
    select
        {%- for column in ['scheme', 'scheme_zh', 'scheme_en', 'family', 'segment', 'segment_zh', 'segment_en', 'version'] %}
        cast(null as {{ dbt.type_string() }}) as {{ column }},
        {%- endfor %}
        false as is_known_of_past
    where false
    {%- endfor %}
),

pilot_day as (
    select max(as_of) as as_of
    from grid
    where as_of <= {{ add_days(tonight(), -horizon_days) }}
),

spent as (
    select
        days.customer_id,
        cast(sum(days.sales_amount + days.refund_amount) as double) as revenue
    from days
    cross join pilot_day
    where days.order_on > pilot_day.as_of and days.order_on <= {{ add_days('pilot_day.as_of', horizon_days) }}
    group by days.customer_id
),

pilot as (
    select
        grid.*,
        coalesce(spent.revenue, 0) as revenue
    from grid
    inner join pilot_day
        on grid.as_of = pilot_day.as_of
    left join spent
        on grid.customer_id = spent.customer_id
),

-- One customer of a wholesale order must not make a segment: for the test, what exceeds the largest hundredth counts as that.
revenue_cap as (
    select percentile_cont(0.99) within group (order by revenue) as cap
    from pilot
),

pilot_customers as (
    {%- for scheme in tried_schemes() %}
    select
        '{{ scheme.id }}' as scheme,
        {{ 'pilot' if scheme.on_grid else 'classes' }}.{{ segment_column(scheme) }} as segment,
        pilot.revenue,
        least(pilot.revenue, revenue_cap.cap) as capped_revenue
    from pilot
    cross join revenue_cap
    {%- if not scheme.on_grid %}
    -- What a record says tonight it is taken to have said on that day, too.
    inner join classes
        on pilot.customer_id = classes.customer_id
    {%- endif %}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as scheme,
        cast(null as {{ dbt.type_string() }}) as segment,
        pilot.revenue,
        pilot.revenue as capped_revenue
    from pilot
    where false
    {%- endfor %}
),

pilot_segments as (
    select
        scheme,
        segment,
        count(*) as customers,
        sum(revenue) as revenue,
        sum(capped_revenue) as capped,
        sum(capped_revenue * capped_revenue) as squared
    from pilot_customers
    group by scheme, segment
),

pilot_totals as (
    select
        scheme,
        sum(customers) as customers,
        sum(revenue) as revenue,
        sum(capped) as capped,
        sum(squared) as squared
    from pilot_segments
    group by scheme
),

-- A segment against all other customers of its scheme.
sides as (
    select
        pilot_segments.scheme,
        pilot_segments.segment,
        pilot_segments.customers as n,
        pilot_totals.customers - pilot_segments.customers as n_rest,
        pilot_segments.revenue / nullif(pilot_segments.customers, 0) as mean,
        (pilot_totals.revenue - pilot_segments.revenue) / nullif(pilot_totals.customers - pilot_segments.customers, 0) as mean_rest,
        pilot_segments.capped / nullif(pilot_segments.customers, 0) as capped_mean,
        (pilot_totals.capped - pilot_segments.capped)
        / nullif(pilot_totals.customers - pilot_segments.customers, 0) as capped_mean_rest,
        pilot_segments.squared,
        pilot_totals.squared - pilot_segments.squared as squared_rest
    from pilot_segments
    inner join pilot_totals
        on pilot_segments.scheme = pilot_totals.scheme
),

-- The standard error of the difference of the two means, which need not vary alike (Welch).
errors as (
    select
        *,
        sqrt(
            greatest(squared - n * capped_mean * capped_mean, 0) / nullif(n - 1, 0) / nullif(n, 0)
            + greatest(squared_rest - n_rest * capped_mean_rest * capped_mean_rest, 0) / nullif(n_rest - 1, 0) / nullif(n_rest, 0)
        ) as standard_error
    from sides
),

month_ends as (
    select
        *,
        lead(as_of) over (partition by customer_id order by as_of) as next_as_of
        {%- for scheme in grid_schemes() %},
        lead({{ segment_column(scheme) }}) over (partition by customer_id order by as_of) as next_{{ segment_column(scheme) }}
        {%- endfor %}
    from grid
    where as_of = {{ dbt.last_day('as_of', 'month') }} and as_of > {{ add_days(tonight(), -215) }}
),

month_pairs as (
    {%- for scheme in grid_schemes() %}
    select
        '{{ scheme.id }}' as scheme,
        {{ segment_column(scheme) }} as segment,
        case when next_{{ segment_column(scheme) }} = {{ segment_column(scheme) }} then 1 else 0 end as is_same
    from month_ends
    where next_as_of is not null
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as scheme,
        cast(null as {{ dbt.type_string() }}) as segment,
        0 as is_same
    from month_ends
    where false
    {%- endfor %}
),

stabilities as (
    select
        scheme,
        segment,
        sum(is_same) / nullif(cast(count(*) as double), 0) as stability
    from month_pairs
    group by scheme, segment
    {%- for scheme in tried_schemes() if not scheme.on_grid %}
    {%- for segment in scheme.segments %}

    union all

    select
        '{{ scheme.id }}' as scheme,
        '{{ segment.id }}' as segment,
        cast(1 as double) as stability
    {%- endfor %}
    {%- endfor %}
),

sizes as (
    select
        scheme,
        segment,
        count(*) as customers
    from membership
    group by scheme, segment
),

scheme_sizes as (
    select
        scheme,
        sum(customers) as customers
    from sizes
    group by scheme
),

tried as (
    select
        segments.*,
        coalesce(sizes.customers, 0) as customers,
        coalesce(sizes.customers, 0) / nullif(scheme_sizes.customers, 0) as share,
        pilot_day.as_of as pilot_on,
        coalesce(errors.n, 0) as pilot_customers,
        coalesce(errors.n_rest, 0) as rest_customers,
        errors.mean as revenue_per_customer,
        errors.mean_rest as rest_revenue_per_customer,
        errors.mean / nullif(errors.mean_rest, 0) as separation,
        (errors.capped_mean - errors.capped_mean_rest) / nullif(errors.standard_error, 0) as separation_z,
        stabilities.stability
    from segments
    cross join pilot_day
    left join sizes
        on segments.scheme = sizes.scheme
        and segments.segment = sizes.segment
    left join scheme_sizes
        on segments.scheme = scheme_sizes.scheme
    left join errors
        on segments.scheme = errors.scheme
        and segments.segment = errors.segment
    left join stabilities
        on segments.scheme = stabilities.scheme
        and segments.segment = stabilities.segment
),

judged as (
    select
        *,
        case
            when not is_known_of_past then 'not_known_of_past'
            when pilot_on is null then 'no_past_day'
            when pilot_customers < {{ fewest_customers }} or rest_customers < {{ fewest_customers }} then 'too_few_customers'
            when stability is null then 'no_past_months'
            when separation_z is null or abs(separation_z) < {{ least_z }} then 'may_be_chance'
            when separation < {{ least_ratio }} and separation > 1 / {{ least_ratio }} then 'too_small_a_difference'
            when stability < {{ least_stability }} then 'unstable'
            else 'separates'
        end as reason
    from tried
),

final as (
    select
        {{ tonight() }} as as_of,
        scheme,
        scheme_zh,
        scheme_en,
        family,
        segment,
        segment_zh,
        segment_en,
        version,
        cast(customers as bigint) as customers,
        {{ significant('share') }} as share,
        pilot_on,
        cast(pilot_customers as bigint) as pilot_customers,
        cast(rest_customers as bigint) as rest_customers,
        {{ significant('revenue_per_customer') }} as revenue_per_customer,
        {{ significant('rest_revenue_per_customer') }} as rest_revenue_per_customer,
        {{ significant('separation') }} as separation,
        {{ significant('separation_z') }} as separation_z,
        {{ significant('stability') }} as stability,
        case
            when reason in ('not_known_of_past', 'no_past_day', 'too_few_customers', 'no_past_months') then 'insufficient'
            when reason = 'separates' then 'promote'
            else 'hold'
        end as verdict,
        reason
    from judged
)

select * from final
