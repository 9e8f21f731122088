with summed as (
    select coalesce(sum(records), 0) as records
    from {{ ref('rejected_summary') }}
),

listed as (
    select count(*) as records
    from {{ ref('rejected_records') }}
)

select
    summed.records,
    listed.records as listed_records
from summed
cross join listed
where summed.records <> listed.records
