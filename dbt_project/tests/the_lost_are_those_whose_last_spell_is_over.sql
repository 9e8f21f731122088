with last_spells as (
    select
        customer_id,
        churned_on
    from {{ ref('customer_spells') }}
    qualify
        row_number() over (partition by customer_id order by spell_no desc) = 1
),

snapshots as (
    select
        customer_id,
        churned
    from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
)

select
    coalesce(snapshots.customer_id, last_spells.customer_id) as customer_id,
    snapshots.churned,
    last_spells.churned_on
from snapshots
full join last_spells
    on snapshots.customer_id = last_spells.customer_id
where snapshots.customer_id is null
    or snapshots.churned <> (last_spells.churned_on is not null)
