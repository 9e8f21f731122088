select cast(count(*) as {{ dbt.type_string() }}) || case when count(*) = 1 then ' document' else ' documents' end as documents
from {{ ref('orders') }}
where kind = 'refund' and net_amount_orig > 0 and {{ is_counted('status') }}
having count(*) > 0
