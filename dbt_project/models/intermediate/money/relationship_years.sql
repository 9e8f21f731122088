{{ config(tags=['before_scores']) }}
{%- set min_years = var('min_observation_days') / 365 %}
{%- set cap = var('relationship_years_cap') %}
{%- set method = var('relationship_years_method') %}
-- depends_on: {{ ref('customer_spells') }}, which one of the methods reads

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }} and occasions > 0
),

grid as (
    select * from {{ ref('customer_grid') }}
),

tiers as (
    select
        customer_id,
        tier
    from grid
    where as_of = {{ tonight() }}
),

observed as (
    select
        snapshots.customer_id,
        tiers.tier,
        greatest(snapshots.age_days / 365.0, {{ min_years }}) as observed_years,
        nullif(snapshots.repeat_recency_days, 0) / 365.0 as years_first_to_last
    from snapshots
    left join tiers
        on snapshots.customer_id = tiers.customer_id
),
{%- if method == 'expected' %}

spells as (
    select * from {{ ref('customer_spells') }}
),

grid_days as (
    select distinct as_of
    from grid
    where as_of < {{ tonight() }}
),

-- A year ago, or as long ago as the grid goes.
opening_day as (
    select coalesce(max(as_of) filter (where as_of <= {{ add_days(tonight(), -365) }}), min(as_of)) as opened_on
    from grid_days
),

-- Customers who were there on that day, by the tier that they were in, and who of them has been lost since.
opening as (
    select
        grid.tier,
        count(*) as customers,
        count(*) filter (where spells.churned_on <= {{ tonight() }}) as churned,
        max({{ days_between('opening_day.opened_on', tonight()) }}) as days
    from grid
    inner join opening_day
        on grid.as_of = opening_day.opened_on
    inner join spells
        on grid.customer_id = spells.customer_id
        and spells.started_on <= opening_day.opened_on
        and (spells.churned_on > opening_day.opened_on or spells.churned_on is null)
    group by grid.tier
),

whole as (
    select
        sum(customers) as customers,
        sum(churned) as churned,
        max(days) as days
    from opening
),

-- The share lost in a year; a tier of a few customers loses what all tiers together lose.
churn_of_tiers as (
    select
        opening.tier,
        1 - power(
            1 - case
                when opening.customers >= {{ fewest_customers_of_tier() }} then cast(opening.churned as double) / nullif(opening.customers, 0)
                else cast(whole.churned as double) / nullif(whole.customers, 0)
            end,
            365.0 / nullif(opening.days, 0)
        ) as annual_churn
    from opening
    cross join whole
),

churn_of_all as (
    select 1 - power(1 - cast(churned as double) / nullif(customers, 0), 365.0 / nullif(days, 0)) as annual_churn
    from whole
),

-- Who loses nobody keeps them for as long as the rules believe at most.
found as (
    select
        observed.customer_id,
        observed.observed_years,
        1 / nullif(coalesce(churn_of_tiers.annual_churn, churn_of_all.annual_churn), 0) as years,
        'expected' as found_by
    from observed
    cross join churn_of_all
    left join churn_of_tiers
        on observed.tier = churn_of_tiers.tier
),
{%- elif method == 'observed_first_to_last' %}

tier_averages as (
    select
        tier,
        {{ exact_sum('years_first_to_last', 18) }} / nullif(count(years_first_to_last), 0) as years
    from observed
    group by tier
),

overall as (
    select {{ exact_sum('years_first_to_last', 18) }} / nullif(count(years_first_to_last), 0) as years
    from observed
),

-- One purchase day lasts no time; a relationship does.
found as (
    select
        observed.customer_id,
        observed.observed_years,
        coalesce(observed.years_first_to_last, tier_averages.years, overall.years, {{ min_years }}) as years,
        case
            when observed.years_first_to_last is not null then 'observed'
            when tier_averages.years is not null then 'tier_average'
            when overall.years is not null then 'average_of_all'
            else 'min_observation'
        end as found_by
    from observed
    cross join overall
    left join tier_averages
        on observed.tier = tier_averages.tier
),
{%- else %}

found as (
    select
        customer_id,
        observed_years,
        observed_years as years,
        'observed' as found_by
    from observed
),
{%- endif %}

final as (
    select
        customer_id,
        cast(observed_years as double) as observed_years,
        cast(least(coalesce(years, {{ cap }}), {{ cap }}) as double) as relationship_years,
        case when years <= {{ cap }} then found_by else 'cap' end as relationship_source
    from found
)

select * from final
