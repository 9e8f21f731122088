{{ config(tags=['before_scores']) }}

with {{ numbered_deliveries() }},

{{ delivered_lines([
    'source_order_id', 'source_line_no', 'product_id', 'description', 'category', 'quantity', 'unit_price', 'net_amount',
    'cost_amount', 'row_hash', 'is_deleted', 'updated_at', 'record_no'
]) }},

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

-- Most documents have one version, and nothing is to be decided.
contested_documents as (
    select * from ranked_documents
    where place > 1 or deliveries > 1
),

newest_lines as (
    select
        lines.*,
        contested_documents.source_no is not null and lines.source_line_no is null as is_united
    from lines
    left join contested_documents
        on lines.source_no = contested_documents.source_no
        and lines.source_order_id = contested_documents.source_order_id
        and lines.delivery_no = contested_documents.delivery_no
        and lines.document_updated_at is not distinct from contested_documents.document_updated_at
        and lines.is_of_whole
    where contested_documents.place is null or contested_documents.place = 1
),

-- Of a line with a key one version counts: in a file of lines alone each by itself.
repeated_keys as (
    select
        source_no,
        source_order_id,
        source_line_no,
        max(case when updated_at is not null and is_told then version_at end) as dated_at
    from newest_lines
    where source_line_no is not null
    group by source_no, source_order_id, source_line_no
    having count(*) > 1
),

marked_lines as (
    select
        newest_lines.*,
        repeated_keys.source_no is not null as is_repeated,
        repeated_keys.dated_at
    from newest_lines
    left join repeated_keys
        on newest_lines.source_no = repeated_keys.source_no
        and newest_lines.source_order_id = repeated_keys.source_order_id
        and newest_lines.source_line_no = repeated_keys.source_line_no
),

newest_of_repeated as (
    select * from marked_lines
    where is_repeated
    qualify
        row_number() over (
            partition by source_no, source_order_id, source_line_no
            order by
                is_replaced, is_told desc, {{ changed_at('updated_at', 'version_at', 'dated_at') }} desc nulls last,
                version_at desc nulls last, corrected_at desc nulls last, row_hash, delivery_no, record_no
        ) = 1
),

-- A line counts as often as the delivery that repeats it most.
united_repeats as (
    select
        *,
        row_number() over (
            partition by source_no, source_order_id, delivery_no, row_hash
            order by record_no
        ) as repeat_no
    from marked_lines
    where is_united
),

united_lines as (
    select * from united_repeats
    qualify
        row_number() over (
            partition by source_no, source_order_id, row_hash, repeat_no
            order by delivery_no, record_no
        ) = 1
),

{% set parts = {
    'marked_lines': 'not is_repeated and not is_united',
    'newest_of_repeated': none,
    'united_lines': none
} -%}
current_lines as (
    {%- for part, condition in parts.items() %}
    select
        source_no,
        delivery_no,
        source_order_id,
        source_line_no,
        product_id,
        description,
        category,
        quantity,
        unit_price,
        net_amount,
        cost_amount,
        row_hash,
        is_replaced or is_deleted as is_deleted,
        record_no
    from {{ part }}
    {%- if condition %}
    where {{ condition }}
    {%- endif %}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- Lines without a number get one by what they say, so that the order of rows in a file is of no consequence.
numbered_lines as (
    select
        *,
        row_number() over (
            partition by source_no, source_order_id
            order by product_id nulls last, row_hash, record_no, delivery_no
        ) as place
    from current_lines
),

final as (
    select
        {{ stable_id(['deliveries.source_system', 'deliveries.source', 'numbered_lines.source_order_id']) }} as order_id,
        deliveries.source_system,
        deliveries.source,
        numbered_lines.source_order_id,
        cast(coalesce(numbered_lines.source_line_no, numbered_lines.place) as integer) as line_no,
        numbered_lines.product_id,
        numbered_lines.description,
        numbered_lines.category,
        numbered_lines.quantity,
        numbered_lines.unit_price,
        numbered_lines.net_amount,
        numbered_lines.cost_amount,
        numbered_lines.row_hash,
        numbered_lines.is_deleted,
        deliveries.delivery_id,
        numbered_lines.record_no
    from numbered_lines
    inner join numbered_deliveries as deliveries
        on numbered_lines.delivery_no = deliveries.delivery_no
)

select * from final
