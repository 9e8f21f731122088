{{ config(tags=['after_scores']) }}

with occasions as (
    select
        *,
        cast({{ dbt.date_trunc('month', 'occasion_on') }} as date) as month
    from {{ ref('customer_occasions') }}
),

snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

-- Not rounded: somebody may stand exactly on one of them.
percentiles as (
    select
        {%- for cut in var('percentile_cuts') %}
        percentile_cont({{ cut.p }}) within group (order by cast({{ cut.metric }} as double)) as {{ cut.column }},
        {%- endfor %}
        count(*) as customers
    from snapshots
),

margin_rates as (
    select * from {{ ref('category_margin_rates') }}
),

spend_model as (
    select * from {{ source('predictions', 'spend_model') }}
),

score_facts as (
    select * from {{ source('predictions', 'score_facts') }}
),

facts as (
    select
        'usual_gap_days' as fact,
        coalesce(category, '') as subject,
        month as known_on,
        max(prior_gap_days) as value
    from occasions
    group by category, month

    union all

    select
        'usual_gap_ratio' as fact,
        '' as subject,
        month as known_on,
        max(usual_ratio) as value
    from occasions
    group by month

    union all

    -- One gap makes an annual buyer only where the gaps of a year stand out.
    select
        'yearly_gaps_stand_out' as fact,
        '' as subject,
        month as known_on,
        max(case when is_annual then 1 else 0 end) as value
    from occasions
    where occasion_no = 2
    group by month

    union all

    select
        'category_margin_rate' as fact,
        category as subject,
        month as known_on,
        cast(margin_rate as double) as value
    from margin_rates
    {%- for parameter in ['p', 'q', 'v'] %}

    union all

    select
        'spend_model' as fact,
        '{{ parameter }}' as subject,
        {{ tonight() }} as known_on,
        {{ significant(parameter) }} as value
    from spend_model
    {%- endfor %}

    union all

    -- Tomorrow's scores are compared with these, and replace them only if they are not much worse.
    select
        fact,
        subject,
        known_on,
        {{ significant('value') }} as value
    from score_facts
    {%- for cut in var('percentile_cuts') %}

    union all

    select
        'percentile' as fact,
        '{{ cut.column }}' as subject,
        {{ tonight() }} as known_on,
        {{ cut.column }} as value
    from percentiles
    {%- endfor %}
),

final as (
    select
        {{ tonight() }} as as_of,
        fact,
        subject,
        known_on,
        cast(value as double) as value
    from facts
    where value is not null
)

select * from final
