-- Where a document is worth the sum of its lines, a rejected one makes it worth less.
select cast(count(*) as {{ dbt.type_string() }}) || case when count(*) = 1 then ' document' else ' documents' end as documents
from {{ ref('orders_current') }}
where has_rejected_lines and is_sum_of_lines and is_valid and order_on <= {{ tonight() }}
having count(*) > 0
