with decisions as (
    select * from {{ source('run', 'identity_decisions') }}
    where decided_on <= {{ tonight() }}
),

named as (
    select
        line_no,
        source_a as source,
        id_a as source_customer_id
    from decisions

    union all

    select
        line_no,
        source_b as source,
        id_b as source_customer_id
    from decisions
),

known as (
    select distinct
        source,
        source_customer_id
    from {{ ref('source_customers') }}

    union

    -- Deleted, but known.
    select
        source,
        source_customer_id
    from {{ ref('customers_current') }}
)

select
    'line' as place,
    named.line_no
from named
left join known
    on named.source = known.source
    and named.source_customer_id = known.source_customer_id
where known.source is null
