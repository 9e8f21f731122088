{{ config(tags=['after_scores']) }}
{%- set columns = {
    'auc': 'auc',
    'brier': 'brier',
    'calib_error': 'ece',
    'lift_top_decile': 'lift',
    'value_gini': 'value_gini',
} %}
{%- set points = {
    'capture_top_decile': 'capture',
    'lead_time_days': 'lead_days',
    'bias': 'bias',
    'log_loss': 'log_loss',
    'orders_bias': 'orders_bias',
    'orders_mae': 'orders_mae',
    'orders_rmse': 'orders_rmse',
    'orders_correlation': 'orders_correlation',
    'orders_gini': 'orders_gini',
    'value_bias': 'value_bias',
    'value_mae': 'value_mae',
    'value_rmse': 'value_rmse',
    'value_correlation': 'value_correlation',
} %}

with measures as (
    select * from {{ source('predictions', 'model_quality') }}
),

-- Without a day a measure is the mean over all days.
models as (
    select
        model,
        coalesce(cast(origin_on as {{ dbt.type_string() }}), 'all') as origin,
        max(origin_on) as origin_on,
        max(learned_horizon_days) as learned_horizon_days,
        max(case when is_champion then 1 else 0 end) = 1 as is_champion,
        max(customers) as customers,
        max(events) as events,
        {%- for column, metric in columns.items() %}
        max(value) filter (where metric = '{{ metric }}') as {{ column }},
        max(low) filter (where metric = '{{ metric }}') as {{ column }}_low,
        max(high) filter (where metric = '{{ metric }}') as {{ column }}_high,
        {%- endfor %}
        {%- for column, metric in points.items() %}
        max(value) filter (where metric = '{{ metric }}') as {{ column }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from measures
    group by model, origin_on
),

final as (
    select
        {{ tonight() }} as as_of,
        model,
        origin,
        origin_on,
        cast(learned_horizon_days as integer) as learned_horizon_days,
        is_champion,
        customers,
        events,
        {%- for column in columns %}
        {{ significant(column) }} as {{ column }},
        {{ significant(column ~ '_low') }} as {{ column }}_low,
        {{ significant(column ~ '_high') }} as {{ column }}_high,
        {%- endfor %}
    {%- for column in points %}
    {{ significant(column) }} as {{ column }}
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
    from models
)

select * from final
