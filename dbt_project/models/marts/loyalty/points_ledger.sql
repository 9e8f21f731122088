{{ config(tags=['before_scores']) }}

with entries as (
    select * from {{ ref('points_entries') }}
),

final as (
    select
        entry_key,
        customer_id,
        source_system,
        source,
        kind,
        reason,
        delta,
        booked_on,
        expires_on
    from entries
)

select * from final
