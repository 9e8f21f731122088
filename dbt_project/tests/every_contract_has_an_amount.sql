select
    currency,
    count(*) as contracts
from {{ ref('contract_versions') }}
where mrr_orig is not null and mrr is null
group by currency
