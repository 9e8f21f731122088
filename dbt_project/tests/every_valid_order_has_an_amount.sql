select
    currency,
    count(*) as documents,
    min(order_on) as first_day,
    max(order_on) as last_day
from {{ ref('orders_current') }}
where is_valid and net_amount is null and order_on <= {{ tonight() }}
group by currency
