with ranked as (
    select
        gross_margin,
        row_number() over (order by gross_margin desc, customer_id) as place,
        floor(count(*) over () / 5.0) as fifth
    from {{ ref('customers') }}
    where orders > 0
),

counted as (
    select
        sum(gross_margin) filter (where place <= fifth) as margin_of_best,
        count(*) filter (where place <= fifth) as best
    from ranked
),

published as (
    select
        max_by(cum_margin, percentile) as margin_of_best,
        max(cum_customers) as best
    from {{ ref('value_concentration') }}
    where ranked_by = 'gross_margin' and percentile <= 20
)

select
    published.best,
    counted.best as counted_best,
    published.margin_of_best,
    counted.margin_of_best as counted_margin
from published
cross join counted
where coalesce(published.best, 0) <> counted.best
    or coalesce(published.margin_of_best, 0) <> coalesce(counted.margin_of_best, 0)
