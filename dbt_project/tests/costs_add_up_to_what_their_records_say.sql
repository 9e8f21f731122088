-- From the records themselves, campaign by campaign: what the campaign cost, or what its contacts did where they cost more.
{%- set costs = var('costs') %}
{%- set base_currency = literal(var('base_currency')) %}

with rates as (
    select * from {{ ref('fx_rates_current') }}
    where not is_deleted
),

touches as (
    select
        touches.source_system,
        touches.source,
        touches.campaign_id,
        lower(touches.channel) as channel,
        {{ business_date('touches.touched_at') }} as touched_on,
        touches.cost_amount,
        deliveries.currency
    from {{ ref('campaign_touches_current') }} as touches
    inner join {{ ref('deliveries_current') }} as deliveries
        on touches.source = deliveries.source
        and touches.delivery_id = deliveries.delivery_id
    where not touches.is_deleted and {{ business_date('touches.touched_at') }} <= {{ tonight() }}
),

campaigns as (
    select
        campaigns.*,
        coalesce(campaigns.currency, deliveries.currency) as cost_currency,
        coalesce(campaigns.ended_on, campaigns.started_on, {{ business_date('deliveries.version_at') }}) as booked_on
    from {{ ref('campaigns_current') }} as campaigns
    inner join {{ ref('deliveries_current') }} as deliveries
        on campaigns.source = deliveries.source
        and campaigns.delivery_id = deliveries.delivery_id
    where not campaigns.is_deleted
),

touches_of_campaigns as (
    select
        touches.*,
        campaigns.actual_cost,
        coalesce(campaigns.cost_currency, touches.currency) as cost_currency
    from touches
    left join campaigns
        on touches.source_system = campaigns.source_system
        and touches.source = campaigns.source
        and touches.campaign_id = campaigns.campaign_id
),

stated as (
    select
        source_system,
        source,
        campaign_id,
        sum(cost_amount) as cost_amount
    from touches
    group by source_system, source, campaign_id
),

tickets as (
    select
        tickets.kind,
        tickets.cost_amount,
        deliveries.currency,
        {{ business_date('tickets.opened_at') }} as opened_on
    from {{ ref('tickets_current') }} as tickets
    inner join {{ ref('deliveries_current') }} as deliveries
        on tickets.source = deliveries.source
        and tickets.delivery_id = deliveries.delivery_id
    where not tickets.is_deleted and {{ business_date('tickets.opened_at') }} <= {{ tonight() }}
),

stated_amounts as (
    select
        'marketing' as kind,
        cost_amount as amount,
        cost_currency as currency,
        touched_on as cost_on
    from touches_of_campaigns
    where cost_amount is not null

    union all

    select
        'marketing' as kind,
        campaigns.actual_cost - coalesce(stated.cost_amount, 0) as amount,
        campaigns.cost_currency as currency,
        campaigns.booked_on as cost_on
    from campaigns
    left join stated
        on campaigns.source_system = stated.source_system
        and campaigns.source = stated.source
        and campaigns.campaign_id = stated.campaign_id
    where campaigns.actual_cost > coalesce(stated.cost_amount, 0) and campaigns.booked_on <= {{ tonight() }}

    union all

    select
        'service' as kind,
        cost_amount as amount,
        currency,
        opened_on as cost_on
    from tickets
    where cost_amount is not null
),

expected as (
    select
        stated_amounts.kind,
        cast({{ product(
            'stated_amounts.amount',
            'case when stated_amounts.currency = ' ~ base_currency ~ ' then cast(1 as decimal(18, 8)) else rates.rate end'
        ) }} as decimal(18, 4)) as amount
    from stated_amounts
    left join rates
        on stated_amounts.currency = rates.currency
        and stated_amounts.cost_on >= rates.valid_from
        and (stated_amounts.cost_on < rates.valid_to or rates.valid_to is null)
    {%- for channel, cost in costs.touch.items() %}

    union all

    select
        'marketing' as kind,
        cast({{ cost }} as decimal(18, 4)) as amount
    from touches_of_campaigns
    where cost_amount is null and actual_cost is null and channel = {{ literal(channel) }}
    {%- endfor %}
    {%- for kind, cost in costs.service_per_ticket.items() %}

    union all

    select
        'service' as kind,
        cast({{ cost }} as decimal(18, 4)) as amount
    from tickets
    where cost_amount is null
        {%- if kind == 'other' %}
        and coalesce(lower(kind) not in ({{ literals(costs.service_per_ticket.keys() | reject('equalto', 'other') | list) }}), true)
        {%- else %}
        and lower(kind) = {{ literal(kind) }}
        {%- endif %}
    {%- endfor %}
    {%- if costs.service_per_return is not none %}

    union all

    select
        'service' as kind,
        cast({{ costs.service_per_return }} as decimal(18, 4)) as amount
    from {{ ref('orders') }}
    where is_valid and kind = 'refund'
    {%- endif %}

    union all

    select
        'coupon' as kind,
        discount_amount as amount
    from {{ ref('orders') }}
    where is_valid
),

expected_totals as (
    select
        kind,
        sum(amount) as amount
    from expected
    group by kind
),

ledger as (
    select
        case when kind in ('touch', 'event') then 'marketing' else kind end as kind,
        sum(ledger_amount) as amount
    from {{ ref('cost_ledger') }}
    group by case when kind in ('touch', 'event') then 'marketing' else kind end
)

select
    coalesce(ledger.kind, expected_totals.kind) as kind,
    ledger.amount,
    expected_totals.amount as expected_amount
from ledger
full join expected_totals
    on ledger.kind = expected_totals.kind
where coalesce(ledger.amount, 0) <> coalesce(expected_totals.amount, 0)
