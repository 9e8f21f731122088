{{ config(tags=['before_scores']) }}

with facts as (
    select * from {{ ref('service_facts') }}
    where kind = 'opened'
),

-- A subject line may name a person; what many customers write about names nobody.
common_topics as (
    select topic
    from facts
    where topic is not null
    group by topic
    having count(distinct customer_id) >= {{ fewest_customers_of_a_topic() }}
),

placed as (
    select
        facts.*,
        case when facts.topic is null then 'unknown' when common_topics.topic is null then 'other' else facts.topic end as common_topic,
        cast({{ dbt.date_trunc('month', 'facts.happened_on') }} as date) as month
    from facts
    left join common_topics
        on facts.topic = common_topics.topic
),

ends_of_months as (
    select
        cast({{ dbt.date_trunc('month', 'as_of') }} as date) as month,
        max(as_of) as as_of
    from (select distinct as_of from {{ ref('customer_grid') }}) as days
    group by all
),

staged as (
    select
        placed.*,
        coalesce(grid.lifecycle_stage, 'unknown') as lifecycle_stage
    from placed
    left join ends_of_months
        on placed.month = ends_of_months.month
    left join {{ ref('customer_grid') }} as grid
        on ends_of_months.as_of = grid.as_of
        and placed.customer_id = grid.customer_id
),

final as (
    select
        month,
        lifecycle_stage,
        common_topic as topic,
        count(*) as tickets,
        count(*) filter (where is_complaint) as complaints,
        count(distinct customer_id) as customers,
        count(*) filter (where is_open) as open_tickets
    from staged
    group by month, lifecycle_stage, common_topic
)

select * from final
