{{ config(tags=['before_scores']) }}

with contacts as (
    select * from {{ ref('contacts_current') }}
    where is_primary and not is_deleted and not is_orphan and source_record_id is not null
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

final as (
    select
        {{ stable_id(['contacts.source_system', 'contacts.source', 'contacts.contact_id']) }} as contact_key,
        source_customers.customer_id,
        {{ business_date('contacts.left_at') }} as left_on
    from contacts
    inner join source_customers
        on contacts.source_record_id = source_customers.source_record_id
)

select * from final
