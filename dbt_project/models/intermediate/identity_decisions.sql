{{ config(tags=['before_identity']) }}

with decisions as (
    select * from {{ source('run', 'identity_decisions') }}
    where decided_on <= {{ tonight() }}
),

deliveries as (
    select * from {{ ref('deliveries_current') }}
),

{{ systems_of_sources('deliveries') }},

final as (
    select
        decisions.line_no,
        decisions.action,
        {{ stable_id(['first_systems.source_system', 'decisions.source_a', 'decisions.id_a']) }} as first_record_id,
        {{ stable_id(['second_systems.source_system', 'decisions.source_b', 'decisions.id_b']) }} as second_record_id
    from decisions
    inner join systems as first_systems
        on decisions.source_a = first_systems.source
    inner join systems as second_systems
        on decisions.source_b = second_systems.source
)

select * from final
