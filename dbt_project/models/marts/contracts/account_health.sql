{{ config(tags=['before_scores']) }}
{#- Each part runs from 0 (bad) to 100 (good). What is not known has no part, and the others share its weight. -#}
{%- set parts = [
    {'name': 'usage', 'weight': 35},
    {'name': 'nps', 'weight': 20},
    {'name': 'service', 'weight': 20},
    {'name': 'champion', 'weight': 15},
    {'name': 'renewal', 'weight': 10},
] %}
{%- set points = [] %}
{%- set weights = [] %}
{%- for part in parts %}
{%- do points.append(part.weight ~ ' * coalesce(' ~ part.name ~ '_score, 0)') %}
{%- do weights.append('case when ' ~ part.name ~ '_score is null then 0 else ' ~ part.weight ~ ' end') %}
{%- endfor %}

with snapshots as (
    select * from {{ ref('customer_snapshots') }}
    where as_of = {{ tonight() }}
),

members as (
    select * from {{ ref('accounts_of_customers') }}
),

primary_contacts as (
    select * from {{ ref('primary_contacts') }}
),

tickets as (
    select count(*) as tickets
    from {{ ref('customer_tickets') }}
),

main_contacts as (
    select
        customer_id,
        count(*) filter (where left_on is null or left_on > {{ tonight() }}) as remaining
    from primary_contacts
    group by customer_id
),

-- A company, with all customers that belong to it, or a customer of no company under a contract.
customers as (
    select
        coalesce(members.account_id, snapshots.customer_id) as account_id,
        snapshots.*,
        case when snapshots.nps_age_days <= 180 then snapshots.nps_latest end as nps,
        main_contacts.remaining
    from snapshots
    left join members
        on snapshots.customer_id = members.customer_id
    left join main_contacts
        on snapshots.customer_id = main_contacts.customer_id
    where members.customer_id is not null or snapshots.has_contract
),

accounts as (
    select
        as_of,
        account_id,
        max(case when customer_id = account_id then customer_id end) as customer_id,
        count(*) as customers,
        max(case when has_contract then 1 else 0 end) = 1 as has_contract,
        coalesce(min(case when is_paused then 1 else 0 end) filter (where has_contract) = 1, false) as is_paused,
        cast(sum(mrr) as decimal(18, 4)) as mrr,
        min(days_to_renewal) as days_to_renewal,
        cast(sum(feature_events_30d) as double) / nullif(sum(feature_events_prior_90d_monthly), 0) - 1 as usage_trend,
        max(case when champion_left then 1 else 0 end) = 1 and coalesce(sum(remaining), 0) = 0 as champion_left,
        coalesce(sum(remaining), 0) > 0 as has_champion,
        avg(nps) as nps,
        sum(open_tickets) as open_tickets,
        sum(complaints_90d) as complaints_90d
    from customers
    group by as_of, account_id
),

scored as (
    select
        accounts.*,
        -- Use that holds or grows is good; what is left of it counts.
        case when accounts.usage_trend is not null then 100 * least(greatest(1 + accounts.usage_trend, 0), 1) end as usage_score,
        10 * accounts.nps as nps_score,
        case
            when tickets.tickets > 0
                then cast(greatest(100 - 25 * accounts.open_tickets - 25 * accounts.complaints_90d, 0) as double)
        end as service_score,
        case when accounts.champion_left then 0 when accounts.has_champion then 100 end as champion_score,
        case when accounts.days_to_renewal < 0 then 0 when accounts.has_contract then 100 end as renewal_score
    from accounts
    cross join tickets
),

final as (
    select
        as_of,
        account_id,
        customer_id,
        cast(customers as bigint) as customers,
        has_contract,
        is_paused,
        mrr,
        case when days_to_renewal is not null then {{ add_days('as_of', 'days_to_renewal') }} end as renewal_due_on,
        cast(days_to_renewal as integer) as days_to_renewal,
        {{ significant('usage_trend') }} as usage_trend,
        champion_left,
        {{ significant('nps') }} as nps,
        cast(open_tickets as bigint) as open_tickets,
        cast(complaints_90d as bigint) as complaints_90d,
        {%- for part in parts %}
        {{ significant(part.name ~ '_score') }} as {{ part.name }}_score,
        {%- endfor %}
        {{ significant('(' ~ points | join(' + ') ~ ') / nullif(cast(' ~ weights | join(' + ') ~ ' as double), 0)') }} as health,
        {{ significant('cast(' ~ weights | join(' + ') ~ ' as double) / 100') }} as known_share
    from scored
)

select * from final
