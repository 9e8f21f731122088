{#- The imports of customer_snapshot: what a model that calls it begins with. -#}
{%- macro snapshot_inputs() -%}
{%- for input in [
    'resolved_customers', 'customer_days', 'customer_cost_days', 'contract_periods', 'contract_versions', 'primary_contacts',
] + occasion_inputs() + behaviour_inputs() -%}
{{ input }} as (
    select * from {{ ref(input) }}
)
{%- if not loop.last %},

{% endif -%}
{%- endfor -%}
{%- endmacro -%}

{#-
    The common table expressions that say everything that was known of every customer on one day: what they bought, how they
    behaved, what their contracts and costs were. Last of them: `snapshot`, one row per customer known by then. Who had bought
    nothing yet has counts of zero, and neither recency nor cadence nor value.

    customer_snapshots keeps this for tonight and for the days that models learn from; customer_grid reads tiers and stages from it
    for every day of the grid and forgets the rest. So both are the same numbers, by one SQL. Whoever forgets gives the SQL that it
    reads, and gets no figure of behaviour that this does not name.

    The calling model imports what snapshot_inputs lists.
-#}
{%- macro customer_snapshot(as_of, read=none) -%}
{{ known_occasions(as_of) }},

{{ behaviour_snapshots(as_of, read) }},

{{ contract_snapshots(as_of) }},

purchases as (
    select
        customer_id,
        min(occasion_on) as first_order_on,
        max(occasion_on) as last_order_on,
        count(*) as occasions,
        sum(purchases) as orders,
        sum(purchases) filter (where occasion_on > {{ add_days(as_of, -365) }}) as orders_365d,
        sum(purchases) filter (where occasion_on > {{ add_days(as_of, -90) }}) as orders_90d,
        sum(purchases) filter (
            where occasion_on > {{ add_days(as_of, -180) }} and occasion_on <= {{ add_days(as_of, -90) }}
        ) as orders_prior_90d,
        {%- if var('rfm_window_days') %}
        sum(purchases) filter (where occasion_on > {{ add_days(as_of, -var('rfm_window_days')) }}) as rfm_frequency,
        {%- else %}
        sum(purchases) as rfm_frequency,
        {%- endif %}
        -- The first occasion tells when a customer came; only the later ones tell what a return is worth.
        cast(sum(amount) filter (where occasion_no > 1) as double)
        / nullif(count(*) filter (where occasion_no > 1), 0) as monetary_value,
        max_by(own_gap_days, occasion_no) as own_gap_days,
        -- Squares of whole numbers: their sum is exact, in whatever order.
        cast(sum(gap_days * gap_days) as bigint) as squared_gap_days,
        max_by(personal_gap_days, occasion_no) as personal_gap_days,
        max_by(threshold_days, occasion_no) as threshold_days,
        max_by(is_annual, occasion_no) as is_annual_buyer
    from known_occasions
    group by customer_id
),

money as (
    select
        customer_id,
        sum(sales_amount) as gross_revenue,
        sum(refund_amount) as refund_amount,
        sum(sales_amount + refund_amount) as net_revenue,
        sum(sales_margin) as sales_margin,
        sum(sales_margin + refund_margin) as gross_margin,
        sum(sales_amount + refund_amount) filter (where order_on > {{ add_days(as_of, -365) }}) as net_revenue_365d,
        sum(sales_margin + refund_margin) filter (where order_on > {{ add_days(as_of, -365) }}) as gross_margin_365d,
        sum(sales_amount + refund_amount) filter (where order_on > {{ add_days(as_of, -90) }}) as net_revenue_90d,
        sum(sales_amount + refund_amount) filter (
            where order_on > {{ add_days(as_of, -180) }} and order_on <= {{ add_days(as_of, -90) }}
        ) as net_revenue_prior_90d,
        sum(refunds) filter (where order_on > {{ add_days(as_of, -90) }}) as refunds_90d,
        {%- if var('rfm_window_days') %}
        coalesce(
            sum(sales_amount + refund_amount) filter (where order_on > {{ add_days(as_of, -var('rfm_window_days')) }}), 0
        ) as rfm_monetary
        {%- else %}
        sum(sales_amount + refund_amount) as rfm_monetary
        {%- endif %}
    from customer_days
    where order_on <= {{ as_of }}
    group by customer_id
),

costs as (
    select
        customer_id,
        sum(touch_cost + coupon_cost + event_cost + service_cost) as costs_total
    from customer_cost_days
    where cost_on <= {{ as_of }}
    group by customer_id
),

-- A day on which somebody bought, logged in or wrote is an active day, once.
active_days as (
    select
        customer_id,
        count(distinct active_on) filter (where active_on > {{ add_days(as_of, -30) }}) as active_days_30d,
        count(distinct active_on) as active_days_90d
    from (
        select
            customer_id,
            occasion_on as active_on
        from known_occasions
        where occasion_on > {{ add_days(as_of, -90) }}

        union all

        select
            customer_id,
            active_on
        from recent_activity
        where is_of_90d and is_active
    ) as days
    group by customer_id
),

-- Whoever was recorded by then, and whoever had done something by then; a record without any date has always been there.
known_customers as (
    select
        customer_id,
        {{ business_date('created_at') }} as created_on
    from resolved_customers
    where coalesce({{ business_date('created_at') }} <= {{ as_of }}, true)
),

snapshot as (
    select
        {{ as_of }} as as_of,
        known_customers.customer_id,

        -- counts
        cast(coalesce(purchases.orders, 0) as bigint) as orders,
        cast(coalesce(purchases.orders_365d, 0) as bigint) as orders_365d,
        cast(coalesce(purchases.orders_90d, 0) as bigint) as orders_90d,
        cast(coalesce(purchases.orders_prior_90d, 0) as bigint) as orders_prior_90d,
        cast(coalesce(money.refunds_90d, 0) as bigint) as refunds_90d,
        cast(coalesce(purchases.rfm_frequency, 0) as bigint) as rfm_frequency,
        cast(coalesce(purchases.occasions, 0) as bigint) as occasions,
        cast(coalesce(active_days.active_days_30d, 0) as bigint) as active_days_30d,
        cast(coalesce(active_days.active_days_90d, 0) as bigint) as active_days_90d,

        -- the state of a buy-till-you-die model, in days
        cast(purchases.occasions - 1 as integer) as repeat_occasions,
        cast({{ days_between('purchases.first_order_on', 'purchases.last_order_on') }} as integer) as repeat_recency_days,
        cast({{ days_between('purchases.first_order_on', as_of) }} as integer) as age_days,
        purchases.monetary_value,

        -- cadence
        cast({{ days_between('purchases.first_order_on', as_of) }} as integer) as tenure_days,
        cast({{ days_between('known_customers.created_on', as_of) }} as integer) as days_since_created,
        cast({{ days_between('purchases.last_order_on', as_of) }} as integer) as recency_days,
        purchases.own_gap_days,
        {{ significant(gap_variation('purchases')) }} as gap_variation,
        purchases.personal_gap_days,
        purchases.threshold_days,
        coalesce(purchases.is_annual_buyer, false) as is_annual_buyer,
        {{ days_between('purchases.last_order_on', as_of) }} / nullif(purchases.personal_gap_days, 0) as cadence_ratio,
        -- greatest() passes over what is unknown: nobody is zero days overdue for not having bought yet.
        case
            when purchases.customer_id is not null
                then greatest({{ days_between('purchases.last_order_on', as_of) }} - purchases.personal_gap_days, 0)
        end as days_overdue,

        -- money
        cast(coalesce(money.gross_revenue, 0) as decimal(18, 4)) as gross_revenue,
        cast(coalesce(money.refund_amount, 0) as decimal(18, 4)) as refund_amount,
        cast(coalesce(money.net_revenue, 0) as decimal(18, 4)) as net_revenue,
        cast(coalesce(money.sales_margin, 0) as decimal(18, 4)) as sales_margin,
        cast(coalesce(money.gross_margin, 0) as decimal(18, 4)) as gross_margin,
        cast(coalesce(money.net_revenue_365d, 0) as decimal(18, 4)) as net_revenue_365d,
        cast(coalesce(money.gross_margin_365d, 0) as decimal(18, 4)) as gross_margin_365d,
        cast(coalesce(money.net_revenue_90d, 0) as decimal(18, 4)) as net_revenue_90d,
        cast(coalesce(money.net_revenue_prior_90d, 0) as decimal(18, 4)) as net_revenue_prior_90d,
        cast(coalesce(money.rfm_monetary, 0) as decimal(18, 4)) as rfm_monetary,
        cast(coalesce(costs.costs_total, 0) as decimal(18, 4)) as costs_total,
        cast(money.net_revenue_365d as double) / nullif(purchases.orders_365d, 0) as aov_365d,
        -- What a customer has left is known of buyers only: nobody is of low value for not having bought yet.
        case
            when purchases.customer_id is not null
                then cast(coalesce(money.gross_margin, 0) - coalesce(costs.costs_total, 0) as decimal(18, 4))
        end as clv_net_margin_basis,
        case
            when purchases.customer_id is not null
                then cast(coalesce(money.net_revenue, 0) - coalesce(costs.costs_total, 0) as decimal(18, 4))
        end as clv_net_spend_basis,

        -- dates
        purchases.first_order_on,
        purchases.last_order_on,

        -- behaviour
        {%- for figure in behaviour_figures(as_of, read) %}
        behaviour_snapshots.{{ figure.name }},
        {%- endfor %}

        -- contracts
        coalesce(contract_snapshots.has_contract, false) as has_contract,
        contract_snapshots.mrr,
        contract_snapshots.days_to_renewal,
        contract_snapshots.contract_ended_on,
        coalesce(contract_snapshots.is_contract_churned, false) as is_contract_churned,
        coalesce(contract_snapshots.is_paused, false) as is_paused,
        coalesce(contract_snapshots.champion_left, false) as champion_left,

        -- Lost: by the cadence of purchases, or by the contracts of those who have them.
        {%- set is_silent = days_between('purchases.last_order_on', as_of) ~ ' > purchases.threshold_days' %}
        {%- if var('business_model') == 'non_contractual' %}
        coalesce({{ is_silent }}, false) as churned
        {%- elif var('business_model') == 'contractual' %}
        coalesce(contract_snapshots.is_contract_churned, false) as churned
        {%- else %}
        case
            when contract_snapshots.has_contract or contract_snapshots.is_contract_churned
                then contract_snapshots.is_contract_churned
            else coalesce({{ is_silent }}, false)
        end as churned
        {%- endif %}
    from known_customers
    left join purchases
        on known_customers.customer_id = purchases.customer_id
    left join money
        on known_customers.customer_id = money.customer_id
    left join costs
        on known_customers.customer_id = costs.customer_id
    left join active_days
        on known_customers.customer_id = active_days.customer_id
    left join behaviour_snapshots
        on known_customers.customer_id = behaviour_snapshots.customer_id
    left join contract_snapshots
        on known_customers.customer_id = contract_snapshots.customer_id
)
{%- endmacro -%}


{#-
    What customer_snapshot reads, and from which day on it matters: a relation, the columns that are known from a day on, and that day.
    A row that tells of two days (a ticket is opened, and closed) stands here for each of them, with what is known from then on. So
    two snapshots of a day are the same if everything listed here agrees that is known by then, whatever else has been learned since;
    what a row listed too early would cost is time. customer_gaps is missing, for what it says of a day follows from the days and
    refunds up to then.
-#}
{%- macro snapshot_facts() -%}
{{ return([
    ['resolved_customers', ['customer_id', 'created_at'], "coalesce(" ~ business_date('created_at') ~ ", cast('0001-01-01' as date))"],
    ['customer_days', [
        'customer_id', 'order_on', 'purchases', 'refunds', 'sales_amount', 'sales_margin', 'refund_amount', 'refund_margin'
    ], 'order_on'],
    ['customer_day_categories', ['customer_id', 'order_on', 'category'], 'order_on'],
    ['refund_links', [
        'sale_order_id', 'refund_order_id', 'customer_id', 'sale_on', 'refunded_on', 'sale_amount', 'refunded_amount'
    ], 'greatest(sale_on, refunded_on)'],
    ['customer_cost_days', ['customer_id', 'cost_on', 'touch_cost', 'coupon_cost', 'event_cost', 'service_cost'], 'cost_on'],
    ['contract_periods', ['contract_key', 'customer_id', 'started_on'], 'started_on'],
    ['contract_periods', ['contract_key', 'customer_id', 'ended_on', 'end_kind'], 'ended_on'],
    ['contract_periods', ['contract_key', 'customer_id', 'counted_until'], 'counted_until'],
    ['contract_versions', [
        'contract_key', 'version_no', 'mrr', 'due_on', 'is_paused', 'said_on', 'valid_from'
    ], 'least(said_on, valid_from)'],
    ['contract_versions', ['contract_key', 'version_no', 'valid_to'], 'valid_to'],
    ['primary_contacts', ['contact_key', 'customer_id', 'left_on'], 'min(left_on) over (partition by customer_id)'],
    ['customer_activity_days', [
        'customer_id', 'active_on', 'channel', 'is_active', 'logins', 'feature_events', 'usage_seconds', 'interactions', 'touches',
        'touch_responses', 'replies', 'last_active_on', 'last_login_on', 'last_contact_on'
    ], 'active_on'],
    ['customer_activity_days', ['customer_id', 'active_on', 'channel', 'replaced_on'], 'replaced_on'],
    ['customer_feature_days', ['customer_id', 'used_on', 'feature'], 'used_on'],
    ['customer_tickets', ['source_system', 'source', 'ticket_id', 'customer_id', 'topic', 'is_complaint', 'opened_on'], 'opened_on'],
    ['customer_tickets', ['source_system', 'source', 'ticket_id', 'customer_id', 'closed_on'], 'closed_on'],
    ['customer_answers', ['customer_id', 'survey', 'answer_no', 'score', 'answered_on'], 'answered_on'],
    ['customer_consents', ['customer_id', 'channel', 'purpose', 'statement_no', 'state', 'stated_on'], 'stated_on'],
    ['customer_consents', ['customer_id', 'channel', 'purpose', 'statement_no', 'replaced_on'], 'replaced_on'],
    ['points_entries', ['customer_id', 'source_system', 'source', 'delta', 'booked_on', 'expires_on'], 'booked_on'],
]) }}
{%- endmacro -%}

{#-
    The common table expressions of what rules may name about the customers of one day; last of them `measures`: the columns of the
    snapshot, and the quantiles that conditions compare a figure with. Such a quantile is that of all customers of whom the figure is
    known, found once and joined as one row.
-#}
{%- macro measures(snapshots) -%}
percentiles as (
    select
        {%- for cut in var('percentile_cuts') %}
        percentile_cont({{ cut.p }}) within group (order by cast({{ cut.metric }} as double)) as {{ cut.column }},
        {%- endfor %}
        count(*) as customers
    from {{ snapshots }}
),

measures as (
    select
        {{ snapshots }}.*,
        {%- for cut in var('percentile_cuts') %}
        percentiles.{{ cut.column }},
        {%- endfor %}
        percentiles.customers as customers_of_the_day
    from {{ snapshots }}
    cross join percentiles
)
{%- endmacro -%}

{#-
    The standard deviation of a customer's own gaps over their mean: 1 for who buys at random, 0 for who keeps to fixed dates, NULL
    below two gaps. All gaps together reach from the first purchase to the last.
-#}
{%- macro gap_variation(purchases) -%}
{%- set gaps = '(' ~ purchases ~ '.occasions - 1)' -%}
{%- set days = days_between(purchases ~ '.first_order_on', purchases ~ '.last_order_on') -%}
case
    when {{ purchases }}.occasions > 2
        then sqrt(
            greatest(({{ purchases }}.squared_gap_days - cast({{ days }} as double) * {{ days }} / {{ gaps }}) / ({{ gaps }} - 1), 0)
        ) / (cast({{ days }} as double) / {{ gaps }})
end
{%- endmacro -%}
