{{ config(tags=['before_scores']) }}
{%- set reasons = var('churn_reasons') %}

with spells as (
    select * from {{ ref('customer_spells') }}
),

contracts as (
    select * from {{ ref('contract_periods') }}
),

outcomes as (
    select * from {{ ref('list_outcomes_current') }}
    where not is_deleted and reason_code is not null
),

id_history as (
    select * from {{ ref('customer_id_history') }}
),

tickets as (
    select * from {{ ref('customer_tickets') }}
    where is_complaint
),

customer_days as (
    select * from {{ ref('customer_days') }}
),

kinds_of_periods as (
    {{ kinds_of_periods() }}
),

causes as (
    {%- for reason in reasons %}
    select
        '{{ reason.id }}' as cause,
        {{ literal(reason.zh) }} as cause_zh,
        {{ literal(reason.en) }} as cause_en,
        {{ literal(reason.action_zh) }} as recommended_action_zh,
        {{ literal(reason.action_en) }} as recommended_action_en

    union all
    {% endfor %}
    select
        'unknown' as cause,
        '未知' as cause_zh,
        'Unknown' as cause_en,
        cast(null as {{ dbt.type_string() }}) as recommended_action_zh,
        cast(null as {{ dbt.type_string() }}) as recommended_action_en
),

-- Who came and left within one month is no loss of its opening stock, and is not among the churned of the month.
losses as (
    select
        customer_id,
        spell_no,
        started_on,
        churned_on,
        cast({{ dbt.date_trunc('month', 'churned_on') }} as date) as month,
        lead(started_on) over (partition by customer_id order by spell_no) as returned_on
    from spells
    qualify churned_on is not null and started_on < {{ dbt.date_trunc('month', 'churned_on') }}
),

named_outcomes as (
    select
        coalesce(id_history.customer_id, members.customer_id) as customer_id,
        outcomes.alert_id,
        outcomes.reason_code,
        outcomes.reported_at,
        {{ business_date('outcomes.reported_at') }} as reported_on
    from outcomes
    inner join {{ source('run', 'previous_list_members') }} as members
        on outcomes.alert_id = members.alert_id
    left join id_history
        on members.customer_id = id_history.old_customer_id
),

-- What is said of a loss: when its contract ended, by whoever spoke with the customer, or in a complaint of its last 180 days. What the
-- customer states counts before what others report, and that before what can only be supposed; of equals the latest.
statements as (
    select
        losses.customer_id,
        losses.spell_no,
        'contract' as said_by,
        1 as place,
        cast(contracts.ended_on as timestamp) as said_at,
        contracts.contract_key as said_in,
        lower(trim(contracts.cancel_reason)) as reason
    from losses
    inner join contracts
        on losses.customer_id = contracts.customer_id
        and losses.started_on <= contracts.ended_on
        and losses.churned_on >= contracts.ended_on
    where contracts.cancel_reason is not null

    union all

    select
        losses.customer_id,
        losses.spell_no,
        'outcome' as said_by,
        2 as place,
        named_outcomes.reported_at as said_at,
        named_outcomes.alert_id as said_in,
        lower(trim(named_outcomes.reason_code)) as reason
    from losses
    inner join named_outcomes
        on losses.customer_id = named_outcomes.customer_id
        and losses.started_on <= named_outcomes.reported_on
        and (losses.returned_on > named_outcomes.reported_on or losses.returned_on is null)
    where named_outcomes.reported_on <= {{ tonight() }}

    union all

    select
        losses.customer_id,
        losses.spell_no,
        'complaint' as said_by,
        3 as place,
        tickets.opened_at as said_at,
        tickets.ticket_id as said_in,
        tickets.topic as reason
    from losses
    inner join tickets
        on losses.customer_id = tickets.customer_id
        and losses.churned_on >= tickets.opened_on
        and tickets.opened_on >= {{ add_days('losses.churned_on', -180) }}
),

-- A reason that no cause names is another one, if it was stated; the topic of a complaint that none names says nothing.
understood as (
    select
        *,
        case
            {%- for cause in reasons[:-1] %}
            when reason in ({{ literals([cause.id] + cause.matches) }}) then '{{ cause.id }}'
            {%- endfor %}
            when place < 3 then '{{ (reasons | last).id }}'
        end as cause
    from statements
),

reasons_of_losses as (
    select
        customer_id,
        spell_no,
        cause,
        said_by
    from understood
    where cause is not null
    qualify row_number() over (partition by customer_id, spell_no order by place, said_at desc nulls last, said_in) = 1
),

margins as (
    select
        losses.customer_id,
        losses.spell_no,
        sum(customer_days.sales_margin + customer_days.refund_margin) as margin_365d
    from losses
    inner join customer_days
        on losses.customer_id = customer_days.customer_id
        and losses.churned_on > customer_days.order_on
        and customer_days.order_on >= {{ add_days('losses.churned_on', -365) }}
    group by losses.customer_id, losses.spell_no
),

-- The tier is that of the eve of the month: before the grid begins it is not known.
judged as (
    select
        losses.month,
        coalesce(grid.tier, 'unknown') as tier,
        coalesce(reasons_of_losses.cause, 'unknown') as cause,
        reasons_of_losses.said_by,
        coalesce(margins.margin_365d, 0) as lost_margin
    from losses
    left join reasons_of_losses
        on losses.customer_id = reasons_of_losses.customer_id
        and losses.spell_no = reasons_of_losses.spell_no
    left join margins
        on losses.customer_id = margins.customer_id
        and losses.spell_no = margins.spell_no
    left join {{ ref('customer_grid') }} as grid
        on losses.customer_id = grid.customer_id
        and grid.as_of = {{ add_days('losses.month', -1) }}
),

counted as (
    select
        kinds_of_periods.period,
        {{ period_start('kinds_of_periods.period', 'judged.month') }} as month,
        judged.cause,
        judged.tier,
        count(*) as churned,
        count(*) filter (where judged.said_by = 'contract') as stated_by_contract,
        count(*) filter (where judged.said_by = 'outcome') as reported_by_outcome,
        count(*) filter (where judged.said_by = 'complaint') as supposed_from_complaint,
        cast(sum(judged.lost_margin) as decimal(18, 4)) as lost_margin
    from judged
    cross join kinds_of_periods
    group by all
),

final as (
    select
        counted.period,
        counted.month,
        counted.cause,
        causes.cause_zh,
        causes.cause_en,
        counted.tier,
        counted.churned,
        counted.stated_by_contract,
        counted.reported_by_outcome,
        counted.supposed_from_complaint,
        counted.lost_margin,
        {{ significant("sum(case when counted.cause <> 'unknown' then counted.churned else 0 end) over (partition by counted.period, counted.month)
            / nullif(sum(counted.churned) over (partition by counted.period, counted.month), 0)") }} as known_cause_coverage,
        causes.recommended_action_zh,
        causes.recommended_action_en,
        case
            when counted.period = 'quarter' then {{ dbt.last_day('counted.month', 'quarter') }}
            else {{ dbt.last_day('counted.month', 'month') }}
        end <= {{ tonight() }} as is_complete
    from counted
    inner join causes
        on counted.cause = causes.cause
)

select * from final
