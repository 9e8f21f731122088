{{ config(tags=['before_scores']) }}

with identities as (
    select * from {{ ref('published_identities') }}
),

customers as (
    select * from {{ ref('resolved_customers') }}
),

previous_identities as (
    select * from {{ source('run', 'previous_customer_identities') }}
),

previous_history as (
    select * from {{ source('run', 'previous_customer_id_history') }}
),

-- Where the records of an id that is no customer's any more have gone; the record that gave the id goes before the others.
moved as (
    select
        previous_identities.customer_id as old_customer_id,
        identities.customer_id
    from previous_identities
    inner join identities
        on previous_identities.source_system = identities.source_system
        and previous_identities.source = identities.source
        and previous_identities.source_customer_id = identities.published_customer_id
    left join customers
        on previous_identities.customer_id = customers.customer_id
    where customers.customer_id is null
    qualify
        row_number() over (
            partition by previous_identities.customer_id
            order by
                case when identities.source_record_id = previous_identities.customer_id then 0 else 1 end,
                identities.source_record_id
        ) = 1
),

previous_customers as (
    select distinct customer_id
    from previous_identities
),

-- An id whose records are all gone leads nowhere, and says so.
retired as (
    select
        previous_customers.customer_id as old_customer_id,
        moved.customer_id,
        {{ tonight() }} as changed_on
    from previous_customers
    left join moved
        on previous_customers.customer_id = moved.old_customer_id
    left join customers
        on previous_customers.customer_id = customers.customer_id
    where customers.customer_id is null
),

-- An older change leads to wherever its customer is now.
carried as (
    select
        previous_history.old_customer_id,
        case when retired.old_customer_id is null then previous_history.customer_id else retired.customer_id end as customer_id,
        coalesce(retired.changed_on, previous_history.changed_on) as changed_on
    from previous_history
    left join retired
        on previous_history.customer_id = retired.old_customer_id
    left join customers as returned
        on previous_history.old_customer_id = returned.customer_id
    where returned.customer_id is null
),

final as (
    select
        old_customer_id,
        customer_id,
        changed_on
    from retired

    union all

    select
        old_customer_id,
        customer_id,
        changed_on
    from carried
)

select * from final
