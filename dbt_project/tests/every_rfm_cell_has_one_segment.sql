select
    r_score,
    f_score,
    m_score,
    count(distinct rfm_segment) as segments
from {{ ref('customer_rfm') }}
group by r_score, f_score, m_score
having count(distinct rfm_segment) <> 1
