with rfm as (
    select * from {{ ref('customer_rfm') }}
),

grid as (
    select * from {{ ref('customer_grid') }}
    where as_of = {{ tonight() }} and rfm_segment is not null
)

select coalesce(rfm.customer_id, grid.customer_id) as customer_id
from rfm
full join grid
    on rfm.customer_id = grid.customer_id
where coalesce(rfm.rfm_segment, '') <> coalesce(grid.rfm_segment, '')
    or coalesce(rfm.r_score, 0) <> coalesce(grid.r_score, 0)
    or coalesce(rfm.f_score, 0) <> coalesce(grid.f_score, 0)
    or coalesce(rfm.m_score, 0) <> coalesce(grid.m_score, 0)
