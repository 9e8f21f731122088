{{ config(tags=['before_scores']) }}

with rates as (
    select * from {{ ref('stg_fx_rates') }}
    where cast_error is null
),

newest_rates as (
    select * from rates
    qualify
        row_number() over (
            partition by currency, valid_from
            order by version_at desc nulls last, row_hash, record_no
        ) = 1
),

final as (
    select
        currency,
        valid_from,
        lead(valid_from) over (partition by currency order by valid_from) as valid_to,
        rate
    from newest_rates
)

select * from final
