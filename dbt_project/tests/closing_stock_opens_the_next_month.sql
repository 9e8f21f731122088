with months as (
    select
        month,
        opening,
        lag(closing) over (order by month) as closing_before
    from {{ ref('churn_monthly') }}
)

select * from months
where opening <> coalesce(closing_before, 0)
