{{ config(tags=['before_scores']) }}
{%- set keys = {'customers': ['source_customer_id'], 'orders': ['source_order_id']} %}
{%- for feed, spec in keyed_feeds().items() %}{% do keys.update({feed: spec.key}) %}{% endfor %}
{#- Where a table keeps what a row said beside what it means. -#}
{%- set said = {'consents': {'source_customer_id': 'stated_by'}} %}

-- Told by what stands, and not by the rules that chose it: a row was replaced where another one of its key stands. Whatever
-- neither stands nor was replaced is lost, and missing in the account of its delivery.
with {{ numbered_deliveries() }},

{{ other_records() }},

{{ delivered_lines(
    ['source_system', 'source', 'delivery_id', 'record_no', 'source_order_id', 'source_line_no'], documents='other_documents'
) }},

standing_lines as (
    select standing.*
    from {{ ref('order_lines_current') }} as standing
    inner join other_documents
        on standing.source = other_documents.source
        and standing.source_order_id = other_documents.source_order_id
),

other_lines as (
    select * from lines
    where is_of_own_feed
        and exists (
            select 1
            from other_records
            where lines.source = other_records.source
                and lines.delivery_id = other_records.delivery_id
                and lines.record_no = other_records.record_no
        )
),

-- Of documents that are replaced whole, which version stands.
standing_documents as (
    select distinct
        lines.source_system,
        lines.source,
        lines.source_order_id,
        lines.is_replaced,
        lines.document_updated_at,
        lines.version_at
    from lines
    inner join standing_lines
        on lines.source = standing_lines.source
        and lines.source_order_id = standing_lines.source_order_id
        and lines.delivery_id = standing_lines.delivery_id
        and lines.record_no = standing_lines.record_no
    where lines.is_of_whole
),

-- Hashes are made of these alone, for most lines stand.
unkeyed_lines as (
    select
        other_lines.*,
        staged.row_hash
    from other_lines
    inner join {{ ref('stg_order_lines') }} as staged
        on other_lines.source = staged.source
        and other_lines.delivery_id = staged.delivery_id
        and other_lines.record_no = staged.record_no
        and other_lines.source_order_id = staged.source_order_id
    where other_lines.source_line_no is null
),

replaced_lines as (
    -- By another version of the whole document.
    select
        other_lines.source,
        other_lines.delivery_id,
        other_lines.record_no
    from other_lines
    inner join standing_documents
        on other_lines.source_system = standing_documents.source_system
        and other_lines.source = standing_documents.source
        and other_lines.source_order_id = standing_documents.source_order_id
    where other_lines.is_of_whole
        and (
            other_lines.is_replaced <> standing_documents.is_replaced
            or other_lines.version_at <> standing_documents.version_at
            or other_lines.document_updated_at is distinct from standing_documents.document_updated_at
        )

    union all

    -- By another line with its number.
    select
        other_lines.source,
        other_lines.delivery_id,
        other_lines.record_no
    from other_lines
    inner join standing_lines
        on other_lines.source_system = standing_lines.source_system
        and other_lines.source = standing_lines.source
        and other_lines.source_order_id = standing_lines.source_order_id
        and other_lines.source_line_no = standing_lines.line_no

    union all

    -- Where it has none, by the same line of another delivery.
    select
        unkeyed_lines.source,
        unkeyed_lines.delivery_id,
        unkeyed_lines.record_no
    from unkeyed_lines
    inner join standing_lines
        on unkeyed_lines.source_system = standing_lines.source_system
        and unkeyed_lines.source = standing_lines.source
        and unkeyed_lines.source_order_id = standing_lines.source_order_id
        and unkeyed_lines.row_hash = standing_lines.row_hash
        and unkeyed_lines.delivery_id <> standing_lines.delivery_id
),

found as (
    select
        source,
        delivery_id,
        'order_lines' as feed,
        record_no
    from replaced_lines

    union all

    -- A rate is one for all sources.
    select
        staged.source,
        staged.delivery_id,
        'fx_rates' as feed,
        staged.record_no
    from {{ ref('stg_fx_rates') }} as staged
    inner join {{ ref('fx_rates_current') }} as standing
        on staged.currency = standing.currency
        and staged.valid_from = standing.valid_from
    where staged.cast_error is null
        and (
            staged.source <> standing.source
            or staged.delivery_id <> standing.delivery_id
            or staged.record_no <> standing.record_no
        )
    {%- for feed, key in keys.items() %}

    union all

    select
        staged.source,
        staged.delivery_id,
        '{{ feed }}' as feed,
        staged.record_no
    from {{ ref('stg_' ~ feed) }} as staged
    inner join {{ ref(feed ~ '_current') }} as standing
        on staged.source_system = standing.source_system
        and staged.source = standing.source
        {%- for column in key %}
        and staged.{{ column }} = standing.{{ said.get(feed, {}).get(column, column) }}
        {%- endfor %}
    where staged.cast_error is null
        and (staged.delivery_id <> standing.delivery_id or staged.record_no <> standing.record_no)
    {%- endfor %}
),

-- A file is accounted for by the records of its own feed.
final as (
    select distinct
        found.source,
        found.delivery_id,
        found.feed,
        found.record_no
    from found
    inner join numbered_deliveries
        on found.source = numbered_deliveries.source
        and found.delivery_id = numbered_deliveries.delivery_id
        and found.feed = numbered_deliveries.feed
)

select * from final
