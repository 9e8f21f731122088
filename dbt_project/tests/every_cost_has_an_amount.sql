select
    currency,
    count(*) as records,
    min(cost_on) as first_day,
    max(cost_on) as last_day
from {{ ref('cost_items') }}
where amount is null
group by currency
