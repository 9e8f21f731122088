{#-
    The feeds of which one row stands per key and source, in a table called after the feed. `key` names a row, `customer` says
    that source_customer_id may name one of the source's customers, `at` is when what the row tells of happened, `timed` that a time
    is part of the key, so that there is no updated_at.
    Documents, their lines, customers and rates have tables with rules of their own.
-#}
{%- macro keyed_feeds() -%}
    {{ return({
        'accounts': {'key': ['account_id']},
        'contacts': {'key': ['contact_id'], 'customer': true},
        'leads': {'key': ['lead_id']},
        'products': {'key': ['product_id']},
        'payments': {'key': ['payment_id'], 'customer': true, 'at': 'paid_at'},
        'interactions': {'key': ['interaction_id'], 'customer': true, 'at': 'occurred_at'},
        'tickets': {'key': ['ticket_id'], 'customer': true, 'at': 'opened_at'},
        'survey_responses': {'key': ['response_id'], 'customer': true, 'at': 'responded_at'},
        'campaigns': {'key': ['campaign_id']},
        'campaign_touches': {'key': ['touch_id'], 'customer': true, 'at': 'touched_at'},
        'consents': {'key': ['source_customer_id', 'channel', 'purpose', 'stated_at'], 'customer': true, 'at': 'stated_at', 'timed': true},
        'points': {'key': ['entry_id'], 'customer': true, 'at': 'booked_at'},
        'subscriptions': {'key': ['contract_id'], 'customer': true, 'at': 'cast(started_on as timestamp)'},
        'referrals': {'key': ['referral_id']},
        'reps': {'key': ['rep_id']},
        'list_outcomes': {'key': ['alert_id', 'reported_at'], 'timed': true}
    }) }}
{%- endmacro -%}

{#-
    When a version was changed, as far as it decides which one stands. `dated_at` is the time of the newest delivery in which
    another version of the key says when; NULL if none does.
-#}
{%- macro changed_at(updated_at, version_at, dated_at) -%}
    coalesce({{ updated_at }}, case when {{ dated_at }} is null or {{ version_at }} > {{ dated_at }} then {{ version_at }} end)
{%- endmacro -%}

{#-
    The common table expressions that choose, of all that was delivered of a feed, the row that stands for each key. Last of
    them: `standing`.

    The row that its source changed last stands; where rows do not say when, that of the newest delivery. A row that does not say it
    was not changed after its delivery: it stands before those that do only if it came after all of them. A delivery that replaces
    all earlier ones of its kind of file takes the keys that it lacks with it: they stand as they last were, marked is_deleted,
    until a later delivery brings them back. A correction is as old as what it corrects, and stands before it. What is only said since
    a day after tonight (`is_told`) stands for want of anything earlier.

    Where a row may be about a customer, `customer_no` is the customer's id, whether the row names the customer or a person of
    theirs; a prospect is such a person without a customer.
-#}
{%- macro standing_rows(feed, key=none, customer=none, before_row_hash=[]) -%}
{%- set spec = keyed_feeds().get(feed, {}) -%}
{%- set has_customer = spec.get('customer', false) if customer is none else customer -%}
{%- set is_dated = not spec.get('timed', false) -%}
{%- set key = ['source_system', 'source'] + (key or spec.key) -%}
deliveries as (
    select * from {{ ref('deliveries_current') }}
),

repeated_keys as (
    select {{ key | join(', ') }}
    from {{ ref('stg_' ~ feed) }}
    group by {{ key | join(', ') }}
    having count(*) > 1
),

{# Twice the same, for what is read once need not be kept in memory: most keys have one version. #}
{%- for rows, join in {'single_rows': 'left', 'versions': 'inner'}.items() -%}
{{ rows }} as (
    select
        staged.*,
        deliveries.is_replaced as is_deleted,
        deliveries.version_at,
        deliveries.corrected_at
        {%- if is_dated %},
        {{ is_told('staged.updated_at', 'deliveries.exported_at') }} as is_told
        {%- endif %}
    from {{ ref('stg_' ~ feed) }} as staged
    inner join deliveries
        on staged.source = deliveries.source
        and staged.delivery_id = deliveries.delivery_id
    {{ join }} join repeated_keys
        on {% for column in key %}staged.{{ column }} = repeated_keys.{{ column }}{% if not loop.last %}
        and {% endif %}{% endfor %}
    where staged.cast_error is null{% if join == 'left' %} and repeated_keys.source is null{% endif %}
),

{% endfor -%}
{% if is_dated -%}
dated_keys as (
    select
        {{ key | join(',\n        ') }},
        max(version_at) as dated_at
    from versions
    where updated_at is not null and is_told
    group by {{ key | join(', ') }}
),

{% endif -%}
chosen_versions as (
    select versions.*
    from versions
    {%- if is_dated %}
    left join dated_keys
        on {% for column in key %}versions.{{ column }} = dated_keys.{{ column }}{% if not loop.last %}
        and {% endif %}{% endfor %}
    {%- endif %}
    qualify
        row_number() over (
            partition by versions.{{ key | join(', versions.') }}
            order by
                versions.is_deleted,{% if is_dated %} versions.is_told desc, {{ changed_at('versions.updated_at', 'versions.version_at', 'dated_keys.dated_at') }} desc nulls last,{% endif %}
                versions.version_at desc nulls last, versions.corrected_at desc nulls last,{% for column in before_row_hash %} versions.{{ column }} nulls last,{% endfor %}
                versions.row_hash, versions.delivery_id, versions.record_no
        ) = 1
),

{{ 'newest' if has_customer else 'standing' }} as (
    select * from single_rows

    union all

    select * from chosen_versions
)
{%- if has_customer %},

{% if feed == 'contacts' -%}
about_customers as (
    select
        newest.*,
        newest.source_customer_id as customer_no
    from newest
),

{% else -%}
persons as (
    select * from {{ ref('persons_of_customers') }}
),

-- Some systems name a contact or a lead where others name the customer.
about_customers as (
    select
        newest.*,
        case when persons.person_id is null then newest.source_customer_id else persons.source_customer_id end as customer_no
    from newest
    left join persons
        on newest.source_system = persons.source_system
        and newest.source = persons.source
        and newest.source_customer_id = persons.person_id
),

{% endif -%}
identified as (
    select
        about_customers.*,
        {{ stable_id(['source_system', 'source', 'customer_no']) }} as source_record_id,
        source_customer_id is not null and customer_no is null as is_prospect
    from about_customers
),

customers as (
    select * from {{ ref('customers_current') }}
),

sources_with_customers as (
    select distinct
        source_system,
        source
    from deliveries
    where feed = 'customers'
),

standing as (
    select
        identified.*,
        (
            not identified.is_deleted
            and identified.source_record_id is not null
            and sources_with_customers.source is not null
            and customers.source_record_id is null
        ) as is_orphan
    from identified
    left join sources_with_customers
        on identified.source_system = sources_with_customers.source_system
        and identified.source = sources_with_customers.source
    left join customers
        on identified.source_record_id = customers.source_record_id
)
{%- endif -%}
{%- endmacro -%}

{#-
    The common table expression of deliveries with numbers for them and for their sources, in the order of their names. The names are
    longer than most of what a row says, and are kept in memory once for each row.
-#}
{%- macro numbered_deliveries() -%}
numbered_deliveries as (
    select
        *,
        dense_rank() over (order by source_system, source) as source_no,
        row_number() over (order by source, delivery_id) as delivery_no
    from {{ ref('deliveries_current') }}
)
{%- endmacro -%}

{#-
    The common table expression of all delivered lines of documents, `lines`, with the columns that are asked for; if `documents` names
    one of documents (source, source_order_id), of theirs alone.

    `is_of_whole` says that a line is delivered with its document, or has no key of its own: then its document is replaced whole, by
    the version that `document_updated_at` and `version_at` name. The calling model has `numbered_deliveries`.
-#}
{%- macro delivered_lines(columns, documents=none) -%}
files_of_documents as (
    select distinct
        source,
        delivery_id
    from {{ ref('stg_orders') }}
),

lines as (
    select
        {%- for column in columns %}
        staged.{{ column }},
        {%- endfor %}
        staged.source_line_no is null or files_of_documents.delivery_id is not null as is_of_whole,
        case when files_of_documents.delivery_id is not null then staged.updated_at end as document_updated_at,
        -- What is replaced whole is told as a whole.
        case
            when staged.source_line_no is null and files_of_documents.delivery_id is null
                then {{ is_told('cast(null as timestamp)', 'deliveries.exported_at') }}
            else {{ is_told('staged.updated_at', 'deliveries.exported_at') }}
        end as is_told,
        deliveries.source_no,
        deliveries.delivery_no,
        deliveries.feed = 'order_lines' as is_of_own_feed,
        deliveries.is_replaced,
        deliveries.version_at,
        deliveries.corrected_at
    from {{ ref('stg_order_lines') }} as staged
    inner join numbered_deliveries as deliveries
        on staged.source = deliveries.source
        and staged.delivery_id = deliveries.delivery_id
    left join files_of_documents
        on staged.source = files_of_documents.source
        and staged.delivery_id = files_of_documents.delivery_id
    {%- if documents %}
    inner join {{ documents }} as documents
        on staged.source = documents.source
        and staged.source_order_id = documents.source_order_id
    {%- endif %}
    where staged.cast_error is null
)
{%- endmacro -%}

{#-
    The common table expressions that rank the versions of documents which are replaced whole. Last of them: `contested_documents`,
    those of which there is more than one; the version at place 1 stands. The calling model has `lines`.
-#}
{%- macro contested_documents() -%}
-- A document that is delivered whole, or whose lines have no keys, is replaced whole by its newest version. Deliveries of equal
-- export time are united: they are one version.
versions_of_documents as (
    select distinct
        source_no,
        source_order_id,
        delivery_no,
        is_replaced,
        is_told,
        document_updated_at,
        version_at
    from lines
    where is_of_whole
),

dated_documents as (
    select
        source_no,
        source_order_id,
        max(version_at) as dated_at
    from versions_of_documents
    where document_updated_at is not null and is_told
    group by source_no, source_order_id
),

changed_documents as (
    select
        versions_of_documents.*,
        {{ changed_at(
            'versions_of_documents.document_updated_at', 'versions_of_documents.version_at', 'dated_documents.dated_at'
        ) }} as changed_at
    from versions_of_documents
    left join dated_documents
        on versions_of_documents.source_no = dated_documents.source_no
        and versions_of_documents.source_order_id = dated_documents.source_order_id
        and versions_of_documents.document_updated_at is null
),

-- `deliveries` counts no more than those of the newest version where it is read, at place 1.
ranked_documents as (
    select
        *,
        rank() over (
            partition by source_no, source_order_id
            order by is_replaced, is_told desc, changed_at desc nulls last, version_at desc nulls last, document_updated_at desc nulls last
        ) as place,
        count(*) over (
            partition by source_no, source_order_id
            order by is_replaced, is_told desc, changed_at desc nulls last, version_at desc nulls last, document_updated_at desc nulls last
            range between unbounded preceding and current row
        ) as deliveries
    from changed_documents
),

contested_documents as (
    select * from ranked_documents
    where place > 1 or deliveries > 1
)
{%- endmacro -%}

{#-
    The common table expressions that find the delivered lines that do not stand, `other_records`, and their documents, `other_documents`.
    The calling model has `numbered_deliveries`.
-#}
{%- macro other_records() -%}
-- Nearly all lines stand.
standing_records as (
    select
        numbered_deliveries.delivery_no,
        standing.record_no
    from {{ ref('order_lines_current') }} as standing
    inner join numbered_deliveries
        on standing.source = numbered_deliveries.source
        and standing.delivery_id = numbered_deliveries.delivery_id
    where numbered_deliveries.feed = 'order_lines'
),

own_records as (
    select
        numbered_deliveries.delivery_no,
        staged.record_no,
        staged.source_order_id
    from {{ ref('stg_order_lines') }} as staged
    inner join numbered_deliveries
        on staged.source = numbered_deliveries.source
        and staged.delivery_id = numbered_deliveries.delivery_id
    where numbered_deliveries.feed = 'order_lines' and staged.cast_error is null
),

other_records as (
    select
        numbered_deliveries.source,
        numbered_deliveries.delivery_id,
        own_records.record_no,
        own_records.source_order_id
    from own_records
    inner join numbered_deliveries
        on own_records.delivery_no = numbered_deliveries.delivery_no
    left join standing_records
        on own_records.delivery_no = standing_records.delivery_no
        and own_records.record_no = standing_records.record_no
    where standing_records.record_no is null
),

other_documents as (
    select distinct
        source,
        source_order_id
    from other_records
)
{%- endmacro -%}
