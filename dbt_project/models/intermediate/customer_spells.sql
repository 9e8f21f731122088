{{ config(tags=['before_scores']) }}
{#- What customers are judged by: what the business model does not look at is left out, and the rest is one SQL. #}

with occasions as (
    select * from {{ ref('customer_occasions') }}
    where {{ var('business_model') != 'contractual' }}
),

contracts as (
    select * from {{ ref('contract_periods') }}
    where {{ var('business_model') != 'non_contractual' }}
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
        ) as purchase_spell_no
    from marked
),

purchase_spells as (
    select
        customer_id,
        min(occasion_on) as started_on,
        max(churned_on) as churned_on
    from spelled
    group by customer_id, purchase_spell_no
),

contract_spells as (
    select
        customer_id,
        period_no,
        min(started_on) as started_on,
        case
            when count(*) = count(grace_until) and max(grace_until) <= {{ tonight() }} then max(grace_until)
        end as churned_on
    from contracts
    group by customer_id, period_no
),

first_contracts as (
    select
        customer_id,
        started_on as contract_on
    from contract_spells
    where period_no = 1
),

-- Who has a contract is judged by it from its first day on, and by purchases before it.
spells_before_contracts as (
    select
        purchase_spells.*,
        first_contracts.contract_on,
        -- A silence that ends with the contract is none, like one that ends with a purchase on the very day of the loss.
        first_contracts.contract_on is not null
        and coalesce(purchase_spells.churned_on >= first_contracts.contract_on, true) as goes_on
    from purchase_spells
    left join first_contracts
        on purchase_spells.customer_id = first_contracts.customer_id
    where first_contracts.contract_on is null or purchase_spells.started_on < first_contracts.contract_on
),

spells as (
    select
        customer_id,
        started_on,
        churned_on
    from spells_before_contracts
    where not goes_on

    union all

    select
        contract_spells.customer_id,
        coalesce(spells_before_contracts.started_on, contract_spells.started_on) as started_on,
        contract_spells.churned_on
    from contract_spells
    left join spells_before_contracts
        on contract_spells.customer_id = spells_before_contracts.customer_id
        and contract_spells.period_no = 1
        and spells_before_contracts.goes_on
),

final as (
    select
        customer_id,
        cast(row_number() over (partition by customer_id order by started_on) as integer) as spell_no,
        started_on,
        churned_on
    from spells
)

select * from final
