with last_row as (
    select * from {{ ref('value_concentration') }}
    where percentile = 100
),

everyone as (
    select
        count(*) as customers,
        sum(gross_margin) as gross_margin
    from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }} and occasions > 0
)

select
    everyone.customers,
    last_row.cum_customers,
    last_row.cum_margin_share,
    last_row.cum_revenue_share
from everyone
left join last_row
    on true
where everyone.customers > 0
    and coalesce(
        last_row.cum_customers <> everyone.customers
        or last_row.cum_margin <> everyone.gross_margin
        or coalesce(last_row.cum_margin_share, 1) <> 1
        or coalesce(last_row.cum_revenue_share, 1) <> 1,
        true
    )
