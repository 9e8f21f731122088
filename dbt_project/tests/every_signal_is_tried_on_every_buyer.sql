select
    risk.customer_id,
    count(signals.signal_id) as signals
from {{ ref('churn_risk') }} as risk
left join {{ ref('churn_signals') }} as signals
    on risk.customer_id = signals.customer_id
group by risk.customer_id
having count(signals.signal_id) <> {{ var('signals') | length }}
