{{ config(tags=['before_scores']) }}

with rates as (
    select * from {{ ref('stg_fx_rates') }}
    where cast_error is null
),

deliveries as (
    select * from {{ ref('deliveries_current') }}
),

-- A rate is one for all sources, whichever delivered it.
newest_rates as (
    select
        rates.*,
        deliveries.is_replaced
    from rates
    inner join deliveries
        on rates.source = deliveries.source
        and rates.delivery_id = deliveries.delivery_id
    qualify
        row_number() over (
            partition by rates.currency, rates.valid_from
            order by
                deliveries.is_replaced, deliveries.version_at desc nulls last, deliveries.corrected_at desc nulls last,
                rates.row_hash, rates.source, rates.delivery_id, rates.record_no
        ) = 1
),

final as (
    select
        currency,
        valid_from,
        lead(valid_from) over (partition by currency, is_replaced order by valid_from) as valid_to,
        rate,
        is_replaced as is_deleted,
        source,
        delivery_id,
        record_no
    from newest_rates
)

select * from final
