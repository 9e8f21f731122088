{#-
    What is read of contracts, here once: the words that sources use for them, and what was known of every contract on one day.
-#}

{#- A status as its source writes it, without case and blanks at its ends; a contract without one is active. -#}
{%- macro contract_status(status) -%} lower(trim(coalesce({{ status }}, ''))) {%- endmacro -%}

{#- Whether a contract rests: it neither runs out nor is renewed meanwhile. -#}
{%- macro is_paused_status(status) -%}
    {{ contract_status(status) }} in ('paused', 'pause', 'on hold', 'on_hold', 'suspended', '暂停', '已暂停', '冻结')
{%- endmacro -%}

{#- Whether a status alone says that a contract is over, where no date does. -#}
{%- macro is_ended_status(status) -%}
    {{ contract_status(status) }} in (
        'cancelled', 'canceled', 'churned', 'ended', 'expired', 'terminated', 'closed', 'lapsed',
        '已取消', '已终止', '已到期', '已过期', '已关闭', '已作废', '终止', '作废'
    )
{%- endmacro -%}

{#- Whether a contract ended because a payment failed, and not because its customer wanted to leave. -#}
{%- macro is_involuntary_reason(reason) -%}
    {{ contract_status(reason) }} in (
        'payment', 'payment_failed', 'payment failed', 'payment_failure', 'payment failure', 'non_payment', 'non-payment', 'nonpayment',
        'non payment', 'unpaid', 'past_due', 'past due', 'card_expired', 'card expired', 'card_declined', 'card declined', 'dunning',
        'involuntary', '付款失败', '支付失败', '扣款失败', '欠费', '未付款', '银行卡过期'
    )
{%- endmacro -%}

{#- For so many days the leaving of a main contact is news. -#}
{%- macro champion_days() -%} 180 {%- endmacro -%}

{#-
    The common table expressions that say what was known of contracts on one day. Last of them: `contract_snapshots`, one row per
    customer who had had a contract by then, or a main contact. The calling model imports contract_periods, contract_versions and
    primary_contacts.

    A contract counts from its first day until it is renewed or its days of grace are over, so has_contract and is_contract_churned are
    never true together. What a source says without a date (status, renewal, amount) is known from the day on which it said so;
    an amount holds from the beginning where no earlier one was ever said.
-#}
{%- macro contract_snapshots(as_of) -%}
begun_contracts as (
    select
        contract_key,
        customer_id,
        case when ended_on <= {{ as_of }} then ended_on end as ended_on,
        end_kind = 'expired' as is_expired,
        coalesce(counted_until > {{ as_of }}, true) as is_counted
    from contract_periods
    where started_on <= {{ as_of }}
),

said_of_contracts as (
    select
        contract_key,
        max(mrr) filter (where valid_from <= {{ as_of }} and (valid_to > {{ as_of }} or valid_to is null)) as mrr,
        max(due_on) filter (where said_on <= {{ as_of }} and (valid_to > {{ as_of }} or valid_to is null)) as due_on,
        max(case when is_paused then 1 else 0 end) filter (
            where said_on <= {{ as_of }} and (valid_to > {{ as_of }} or valid_to is null)
        ) as is_paused
    from contract_versions
    group by contract_key
),

contracts_of_customers as (
    select
        begun_contracts.customer_id,
        max(case when begun_contracts.is_counted then 1 else 0 end) = 1 as has_contract,
        sum(coalesce(said_of_contracts.mrr, 0)) filter (where begun_contracts.is_counted) as mrr,
        -- A contract in its days of grace was due when it ran out; one that was cancelled is not to be renewed.
        min(
            case
                when begun_contracts.ended_on is null then {{ days_between(as_of, 'said_of_contracts.due_on') }}
                when begun_contracts.is_expired then {{ days_between(as_of, 'begun_contracts.ended_on') }}
            end
        ) filter (where begun_contracts.is_counted) as days_to_renewal,
        case when count(*) = count(begun_contracts.ended_on) then max(begun_contracts.ended_on) end as contract_ended_on,
        coalesce(
            min(coalesce(said_of_contracts.is_paused, 0)) filter (where begun_contracts.ended_on is null) = 1, false
        ) as is_paused
    from begun_contracts
    left join said_of_contracts
        on begun_contracts.contract_key = said_of_contracts.contract_key
    group by begun_contracts.customer_id
),

champions as (
    select
        customer_id,
        coalesce(
            max(left_on) filter (where left_on <= {{ as_of }}) > {{ add_days(as_of, '-' ~ champion_days()) }}
            and count(*) = count(*) filter (where left_on <= {{ as_of }}), false
        ) as champion_left
    from primary_contacts
    group by customer_id
),

contract_snapshots as (
    select
        coalesce(contracts_of_customers.customer_id, champions.customer_id) as customer_id,
        coalesce(contracts_of_customers.has_contract, false) as has_contract,
        case
            when contracts_of_customers.customer_id is not null
                then cast(coalesce(contracts_of_customers.mrr, 0) as decimal(18, 4))
        end as mrr,
        cast(contracts_of_customers.days_to_renewal as integer) as days_to_renewal,
        contracts_of_customers.contract_ended_on,
        coalesce(not contracts_of_customers.has_contract, false) as is_contract_churned,
        coalesce(contracts_of_customers.is_paused, false) as is_paused,
        coalesce(champions.champion_left, false) as champion_left
    from contracts_of_customers
    full join champions
        on contracts_of_customers.customer_id = champions.customer_id
)
{%- endmacro -%}
