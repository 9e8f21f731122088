{{ config(materialized='by_as_of', purposes=['tonight', 'training'], tags=['before_scores']) }}

with {{ snapshot_inputs() }},

{{ customer_snapshot(as_of_now()) }},

final as (
    select * from snapshot
)

select * from final
