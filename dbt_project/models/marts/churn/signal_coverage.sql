{{ config(tags=['after_scores']) }}

with tried as (
    select * from {{ ref('churn_signals') }}
),

rules as (
    {%- for signal in var('signals') %}
    select
        '{{ signal.id }}' as signal_id,
        {{ literal(signal.zh) }} as signal_zh,
        {{ literal(signal.en) }} as signal_en,
        '{{ signal.metric }}' as metric
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as signal_id,
        cast(null as {{ dbt.type_string() }}) as signal_zh,
        cast(null as {{ dbt.type_string() }}) as signal_en,
        cast(null as {{ dbt.type_string() }}) as metric
    from tried
    where signal_id is null
    {%- endfor %}
),

counts as (
    select
        signal_id,
        count(*) as tried,
        count(*) filter (where availability = 'available') as available,
        count(*) filter (where availability = 'not_available') as not_available,
        count(*) filter (where availability = 'no_baseline') as no_baseline,
        count(*) filter (where fired) as fired,
        count(*) filter (where is_escalated) as escalated
    from tried
    group by signal_id
),

final as (
    select
        {{ tonight() }} as as_of,
        rules.signal_id,
        rules.signal_zh,
        rules.signal_en,
        rules.metric,
        coalesce(counts.tried, 0) as tried,
        coalesce(counts.available, 0) as available,
        coalesce(counts.not_available, 0) as not_available,
        coalesce(counts.no_baseline, 0) as no_baseline,
        coalesce(counts.fired, 0) as fired,
        coalesce(counts.escalated, 0) as escalated,
        {{ significant('counts.fired / nullif(counts.available, 0)') }} as fired_share
    from rules
    left join counts
        on rules.signal_id = counts.signal_id
)

select * from final
