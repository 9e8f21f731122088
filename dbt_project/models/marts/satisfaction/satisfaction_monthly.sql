{{ config(tags=['before_scores']) }}
{%- set dimensions = ['all', 'channel', 'region', 'lifecycle_stage'] %}

with facts as (
    select * from {{ ref('service_facts') }}
),

active_customers as (
    select * from {{ ref('active_customers') }}
),

customers as (
    select * from {{ ref('resolved_customers') }}
),

spells as (
    select * from {{ ref('customer_spells') }}
),

kinds_of_periods as (
    {{ kinds_of_periods() }}
),

placed as (
    select
        facts.*,
        kinds_of_periods.period,
        {{ period_start('kinds_of_periods.period', 'facts.happened_on') }} as month
    from facts
    cross join kinds_of_periods
),

-- Of several answers of a customer in one period, the latest says whether they would recommend.
latest_answers as (
    select
        *,
        coalesce(
            answer_no = max(case when kind = 'nps' then answer_no end) over (partition by period, month, customer_id)
            and kind = 'nps', false
        ) as is_latest
    from placed
),

{{ ends_of_periods() }},

customers_of_facts as (
    select distinct
        latest_answers.period,
        latest_answers.month,
        latest_answers.customer_id
    from latest_answers
),

-- The stage is that of the last day of the grid in the period; before the grid begins it is not known.
stages as (
    select
        customers_of_facts.period,
        customers_of_facts.month,
        customers_of_facts.customer_id,
        coalesce(grid.lifecycle_stage, 'unknown') as lifecycle_stage
    from customers_of_facts
    inner join ends_of_periods
        on customers_of_facts.period = ends_of_periods.period
        and customers_of_facts.month = ends_of_periods.month
    left join {{ ref('customer_grid') }} as grid
        on ends_of_periods.as_of = grid.as_of
        and customers_of_facts.customer_id = grid.customer_id
),

active_customers_of_facts as (
    select distinct
        customers_of_facts.period,
        customers_of_facts.month,
        customers_of_facts.customer_id
    from customers_of_facts
    inner join spells
        on customers_of_facts.customer_id = spells.customer_id
        and {{ period_start('customers_of_facts.period', 'spells.started_on') }} <= customers_of_facts.month
        and (customers_of_facts.month <= spells.churned_on or spells.churned_on is null)
),

described as (
    select
        latest_answers.*,
        active_customers_of_facts.customer_id is not null as is_active,
        'all' as of_all,
        coalesce(customers.acquisition_channel, 'unknown') as of_channel,
        coalesce(customers.region, 'unknown') as of_region,
        stages.lifecycle_stage as of_lifecycle_stage
    from latest_answers
    inner join customers
        on latest_answers.customer_id = customers.customer_id
    left join stages
        on latest_answers.period = stages.period
        and latest_answers.month = stages.month
        and latest_answers.customer_id = stages.customer_id
    left join active_customers_of_facts
        on latest_answers.period = active_customers_of_facts.period
        and latest_answers.month = active_customers_of_facts.month
        and latest_answers.customer_id = active_customers_of_facts.customer_id
),

counted as (
    {%- for dimension in dimensions %}
    select
        period,
        month,
        '{{ dimension }}' as dimension,
        of_{{ dimension }} as segment,
        count(*) filter (where is_latest) as nps_responses,
        count(*) filter (where is_latest and score >= 9) as promoters,
        count(*) filter (where is_latest and score <= 6) as detractors,
        count(*) filter (where kind = 'csat') as csat_responses,
        count(*) filter (where kind = 'csat' and score >= 4) as satisfied,
        avg(case when kind = 'csat' then score end) as csat_mean,
        count(*) filter (where kind = 'unusable') as unusable_answers,
        count(*) filter (where kind = 'invited') as invitations,
        count(*) filter (where kind = 'invited' and is_answered) as answered_invitations,
        count(*) filter (where kind = 'opened') as tickets,
        count(*) filter (where kind = 'opened' and is_complaint) as complaints,
        count(distinct case when kind = 'opened' and is_complaint then customer_id end) as complaining_customers,
        count(distinct case when kind = 'opened' and is_complaint and is_active then customer_id end) as active_complaining_customers,
        count(*) filter (where kind = 'closed') as closed_tickets,
        count(*) filter (where kind = 'closed' and is_answered) as rated_tickets,
        {%- for kind, name in [('opened', 'first_response'), ('closed', 'resolution')] %}
        percentile_cont(0.5) within group (order by case when kind = '{{ kind }}' then hours end) as {{ name }}_hours_median,
        percentile_cont(0.9) within group (order by case when kind = '{{ kind }}' then hours end) as {{ name }}_hours_p90
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from described
    where of_{{ dimension }} is not null
    group by period, month, of_{{ dimension }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

joined as (
    select
        coalesce(counted.period, active_customers.period) as period,
        coalesce(counted.month, active_customers.month) as month,
        coalesce(counted.dimension, active_customers.dimension) as dimension,
        coalesce(counted.segment, active_customers.segment) as segment,
        {%- for count in [
            'nps_responses', 'promoters', 'detractors', 'csat_responses', 'satisfied', 'unusable_answers', 'invitations',
            'answered_invitations', 'tickets', 'complaints', 'complaining_customers', 'active_complaining_customers',
            'closed_tickets', 'rated_tickets',
        ] %}
        coalesce(counted.{{ count }}, 0) as {{ count }},
        {%- endfor %}
        coalesce(active_customers.active_customers, 0) as active_customers,
        counted.csat_mean,
        counted.first_response_hours_median,
        counted.first_response_hours_p90,
        counted.resolution_hours_median,
        counted.resolution_hours_p90
    from counted
    full outer join active_customers
        on counted.period = active_customers.period
        and counted.month = active_customers.month
        and counted.dimension = active_customers.dimension
        and counted.segment = active_customers.segment
),

final as (
    select
        period,
        month,
        dimension,
        segment,
        {{ significant('100.0 * (promoters - detractors) / nullif(nps_responses, 0)') }} as nps,
        nps_responses,
        promoters,
        nps_responses - promoters - detractors as passives,
        detractors,
        nps_responses < {{ fewest_answers() }} as nps_is_uncertain,
        {{ significant('satisfied / nullif(csat_responses, 0)') }} as csat,
        {{ significant('csat_mean') }} as csat_mean,
        csat_responses,
        satisfied,
        csat_responses < {{ fewest_answers() }} as csat_is_uncertain,
        unusable_answers,
        invitations,
        answered_invitations,
        {{ significant('answered_invitations / nullif(invitations, 0)') }} as response_rate,
        tickets,
        complaints,
        complaining_customers,
        active_customers,
        {{ significant('active_complaining_customers / nullif(active_customers, 0)') }} as complaint_rate,
        closed_tickets,
        rated_tickets,
        {{ significant('rated_tickets / nullif(closed_tickets, 0)') }} as rated_share,
        {{ significant('first_response_hours_median') }} as first_response_hours_median,
        {{ significant('first_response_hours_p90') }} as first_response_hours_p90,
        {{ significant('resolution_hours_median') }} as resolution_hours_median,
        {{ significant('resolution_hours_p90') }} as resolution_hours_p90,
        case
            when period = 'quarter' then {{ dbt.last_day('month', 'quarter') }}
            else {{ dbt.last_day('month', 'month') }}
        end <= {{ tonight() }} as is_complete
    from joined
)

select * from final
