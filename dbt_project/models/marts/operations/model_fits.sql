{{ config(tags=['after_scores']) }}

with fits as (
    select * from {{ source('predictions', 'model_fits') }}
),

final as (
    select
        {{ tonight() }} as as_of,
        model,
        parameter,
        {{ significant('value') }} as value,
        {{ significant('standard_error') }} as standard_error,
        {{ significant('log_likelihood') }} as log_likelihood,
        status
    from fits
)

select * from final
