select
    dropped_rules,
    records || ' records' as records
from {{ ref('identity_conflicts') }}
