{{ config(tags=['before_scores']) }}

with occasions as (
    select * from {{ ref('customer_occasions') }}
),

marked as (
    select
        *,
        coalesce(lag(churned_on) over (partition by customer_id order by occasion_on) is not null, false) as is_return
    from occasions
),

spelled as (
    select
        *,
        1 + sum(case when is_return then 1 else 0 end) over (
            partition by customer_id order by occasion_on rows between unbounded preceding and current row
        ) as spell_no
    from marked
),

final as (
    select
        customer_id,
        cast(spell_no as integer) as spell_no,
        min(occasion_on) as started_on,
        max(churned_on) as churned_on
    from spelled
    group by customer_id, spell_no
)

select * from final
