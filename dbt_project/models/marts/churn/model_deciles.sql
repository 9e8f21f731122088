{{ config(tags=['after_scores']) }}

with deciles as (
    select * from {{ source('predictions', 'model_deciles') }}
),

final as (
    select
        {{ tonight() }} as as_of,
        model,
        origin_on,
        cast(decile as integer) as decile,
        is_champion,
        customers,
        events,
        {{ significant('probability') }} as mean_probability,
        {{ significant('rate') }} as rate,
        {{ significant('lift') }} as lift,
        {{ significant('capture') }} as capture
    from deciles
)

select * from final
