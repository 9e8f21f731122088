{{ config(tags=['before_identity']) }}

with customers as (
    select * from {{ ref('customers_current') }}
    where is_known
),

contact_values as (
    select
        source_record_id,
        source_system,
        source,
        'email' as match_rule,
        email as contact_value,
        merged_into,
        is_deleted
    from customers
    where email is not null

    union all

    select
        source_record_id,
        source_system,
        source,
        'phone' as match_rule,
        phone as contact_value,
        merged_into,
        is_deleted
    from customers
    where phone is not null
),

uses as (
    select
        match_rule,
        contact_value,
        source_system,
        source,
        count(*) filter (where merged_into is null) as records,
        count(*) filter (where not is_deleted) as living,
        min(source_record_id) filter (where not is_deleted) as first_record_id
    from contact_values
    group by match_rule, contact_value, source_system, source
),

-- What many records of one source share is a hotline or a shared mailbox, and no evidence anywhere. Records are counted per
-- source: whoever stands once in each of ten systems is still one person. What a source has deleted is no evidence, but still
-- counts here, unless it was merged: a hotline does not become a person's number when its crowd shrinks.
evidence as (
    select
        match_rule,
        contact_value,
        min(first_record_id) as first_record_id
    from uses
    group by match_rule, contact_value
    having sum(living) > 1 and max(records) <= {{ var('identity_max_records_per_value') }}
),

final as (
    select
        contact_values.source_record_id,
        evidence.first_record_id as joined_record_id,
        contact_values.match_rule
    from contact_values
    inner join evidence
        on contact_values.match_rule = evidence.match_rule
        and contact_values.contact_value = evidence.contact_value
    where not contact_values.is_deleted and contact_values.source_record_id <> evidence.first_record_id

    union all

    -- What a source has merged is one customer to us, too, whatever else its records say; most are deleted by the merge.
    select
        source_record_id,
        {{ stable_id(['source_system', 'source', 'merged_into']) }} as joined_record_id,
        'merged_into' as match_rule
    from customers
    where merged_into is not null and merged_into <> source_customer_id
)

select * from final
