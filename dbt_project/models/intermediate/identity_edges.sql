{{ config(tags=['before_identity']) }}
{%- set strengths = match_rules() %}
{%- set external_ids = var('identity_external_ids') %}

with decisions as (
    select * from {{ ref('identity_decisions') }}
    where action = 'merge'
),
{%- if external_ids %}

staged as (
    select * from {{ ref('stg_customers') }}
),

deliveries as (
    select * from {{ ref('deliveries_current') }}
),

{{ systems_of_sources('deliveries') }},
{%- endif %}

-- What many records of one source share is a hotline or a shared mailbox, and no evidence anywhere. Records are counted per
-- source: whoever stands once in each of ten systems is still one person. What a source has deleted is no evidence, but still
-- counts here, unless it was merged: a hotline does not become a person's number when its crowd shrinks.
--
-- The records are read once per rule: each needs few of their columns, and a table of all values would be written out whole.
{%- for rule, value in shared_values().items() %}
{{ rule }}_values as (
    select
        source_record_id,
        source,
        {{ value }} as contact_value,
        merged_into is null as is_counted,
        is_deleted
    from {{ ref('customers_current') }}
    where is_known and {{ value }} is not null
),

{{ rule }}_uses as (
    select
        contact_value,
        source,
        count(*) filter (where is_counted) as records,
        count(*) filter (where not is_deleted) as living,
        min(source_record_id) filter (where not is_deleted) as first_record_id
    from {{ rule }}_values
    group by contact_value, source
),

{{ rule }}_evidence as (
    select
        contact_value,
        min(first_record_id) as first_record_id
    from {{ rule }}_uses
    group by contact_value
    having sum(living) > 1 and max(records) <= {{ var('identity_max_records_per_value') }}
),
{% endfor %}
{%- if external_ids %}
external_ids as (
    {%- for each in external_ids %}
    select distinct
        customers.source_record_id,
        customers.source,
        {{ literal(each.names) }} as named_source,
        nullif(trim({{ json_text('staged.extra', each.column) }}), '') as named_id
    from {{ ref('customers_current') }} as customers
    inner join staged
        on customers.source = staged.source
        and customers.delivery_id = staged.delivery_id
        and customers.record_no = staged.record_no
        and customers.source_customer_id = staged.source_customer_id
    where customers.source = {{ literal(each.source) }} and customers.is_known and not customers.is_deleted
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

named as (
    select
        external_ids.source_record_id,
        {{ stable_id(['systems.source_system', 'external_ids.named_source', 'external_ids.named_id']) }} as joined_record_id,
        count(*) over (
            partition by external_ids.source, external_ids.named_source, external_ids.named_id
        ) as records
    from external_ids
    inner join systems
        on external_ids.named_source = systems.source
    where external_ids.named_id is not null
),
{% endif %}
final as (
    {%- for rule in shared_values() %}
    select
        {{ rule }}_values.source_record_id,
        {{ rule }}_evidence.first_record_id as joined_record_id,
        '{{ rule }}' as match_rule,
        {{ strengths[rule] }} as strength,
        {{ rule }}_values.contact_value as evidence_value
    from {{ rule }}_values
    inner join {{ rule }}_evidence
        on {{ rule }}_values.contact_value = {{ rule }}_evidence.contact_value
    where not {{ rule }}_values.is_deleted and {{ rule }}_values.source_record_id <> {{ rule }}_evidence.first_record_id

    union all
    {% endfor %}
    {%- if external_ids %}
    -- As with what is shared: an id that many name is that of their company, or of nobody.
    select distinct
        source_record_id,
        joined_record_id,
        'external_id' as match_rule,
        {{ strengths.external_id }} as strength,
        cast(null as {{ dbt.type_string() }}) as evidence_value
    from named
    where records <= {{ var('identity_max_records_per_value') }} and source_record_id <> joined_record_id

    union all
    {% endif %}
    -- What a source has merged is one customer to us, too, whatever else its records say; most are deleted by the merge.
    select
        source_record_id,
        {{ stable_id(['source_system', 'source', 'merged_into']) }} as joined_record_id,
        'merged_into' as match_rule,
        {{ strengths.merged_into }} as strength,
        cast(null as {{ dbt.type_string() }}) as evidence_value
    from {{ ref('customers_current') }}
    where is_known and merged_into is not null and merged_into <> source_customer_id

    union all

    select
        second_record_id as source_record_id,
        first_record_id as joined_record_id,
        'manual' as match_rule,
        {{ strengths.manual }} as strength,
        cast(line_no as {{ dbt.type_string() }}) as evidence_value
    from decisions
)

select * from final
