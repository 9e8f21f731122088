with months as (
    select
        month,
        opening_mrr,
        opening_accounts,
        lag(closing_mrr) over (order by month) as closing_mrr_before,
        lag(closing_accounts) over (order by month) as closing_accounts_before
    from {{ ref('revenue_retention') }}
    where dimension = 'all'
),

-- Every dimension divides the same accounts.
divided as (
    select
        month,
        dimension,
        sum(opening_mrr) as opening_mrr,
        sum(closing_mrr) as closing_mrr,
        sum(churned_mrr) as churned_mrr,
        sum(closing_accounts) as closing_accounts
    from {{ ref('revenue_retention') }}
    group by month, dimension
)

select
    month,
    'opening' as found,
    opening_mrr,
    closing_mrr_before as expected_mrr
from months
where opening_mrr <> coalesce(closing_mrr_before, 0) or opening_accounts <> coalesce(closing_accounts_before, 0)

union all

select
    divided.month,
    divided.dimension as found,
    divided.closing_mrr as opening_mrr,
    whole.closing_mrr as expected_mrr
from divided
inner join {{ ref('revenue_retention') }} as whole
    on divided.month = whole.month
    and whole.dimension = 'all'
where divided.opening_mrr <> whole.opening_mrr
    or divided.closing_mrr <> whole.closing_mrr
    or divided.churned_mrr <> whole.churned_mrr
    or divided.closing_accounts <> whole.closing_accounts
