with named as (
    select
        source,
        delivery_id,
        count(*) as rejected
    from {{ ref('rejected_records') }}
    group by source, delivery_id
)

select
    deliveries.source,
    deliveries.delivery_id,
    deliveries.rejected,
    named.rejected as named
from {{ ref('deliveries') }} as deliveries
left join named
    on deliveries.source = named.source
    and deliveries.delivery_id = named.delivery_id
where deliveries.rejected <> coalesce(named.rejected, 0)
