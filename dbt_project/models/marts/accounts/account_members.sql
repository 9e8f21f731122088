{{ config(tags=['before_scores']) }}

with members as (
    select * from {{ ref('accounts_of_customers') }}
),

final as (
    select
        account_id,
        customer_id,
        account_id = customer_id as is_account
    from members
)

select * from final
