{{ config(tags=['before_scores']) }}

with {{ delivered_lines(['*']) }},

-- A document that is delivered whole, or whose lines have no keys, is replaced whole by its newest version.
versions_of_documents as (
    select distinct
        source_system,
        source,
        source_order_id,
        is_replaced,
        document_updated_at,
        version_at
    from lines
    where is_of_whole
),

dated_documents as (
    select
        source_system,
        source,
        source_order_id,
        max(version_at) as dated_at
    from versions_of_documents
    where document_updated_at is not null
    group by source_system, source, source_order_id
),

newest_documents as (
    select versions_of_documents.*
    from versions_of_documents
    left join dated_documents
        on versions_of_documents.source_system = dated_documents.source_system
        and versions_of_documents.source = dated_documents.source
        and versions_of_documents.source_order_id = dated_documents.source_order_id
        and versions_of_documents.document_updated_at is null
    qualify
        row_number() over (
            partition by
                versions_of_documents.source_system, versions_of_documents.source, versions_of_documents.source_order_id
            order by
                versions_of_documents.is_replaced,
                {{ changed_at(
                    'versions_of_documents.document_updated_at', 'versions_of_documents.version_at', 'dated_documents.dated_at'
                ) }} desc nulls last,
                versions_of_documents.version_at desc nulls last
        ) = 1
),

document_lines as (
    select lines.*
    from lines
    inner join newest_documents
        on lines.source_system = newest_documents.source_system
        and lines.source = newest_documents.source
        and lines.source_order_id = newest_documents.source_order_id
        and lines.is_replaced = newest_documents.is_replaced
        and lines.document_updated_at is not distinct from newest_documents.document_updated_at
        and lines.version_at = newest_documents.version_at
    where lines.is_of_whole
),

-- Of a line with a key one version counts: in a file of lines alone each by itself.
all_keyed_lines as (
    select * from lines
    where not is_of_whole

    union all

    select * from document_lines
    where source_line_no is not null
),

dated_lines as (
    select
        source_system,
        source,
        source_order_id,
        source_line_no,
        max(version_at) as dated_at
    from all_keyed_lines
    where updated_at is not null
    group by source_system, source, source_order_id, source_line_no
),

keyed_lines as (
    select all_keyed_lines.*
    from all_keyed_lines
    left join dated_lines
        on all_keyed_lines.source_system = dated_lines.source_system
        and all_keyed_lines.source = dated_lines.source
        and all_keyed_lines.source_order_id = dated_lines.source_order_id
        and all_keyed_lines.source_line_no = dated_lines.source_line_no
        and all_keyed_lines.updated_at is null
    qualify
        row_number() over (
            partition by
                all_keyed_lines.source_system, all_keyed_lines.source, all_keyed_lines.source_order_id,
                all_keyed_lines.source_line_no
            order by
                all_keyed_lines.is_replaced,
                {{ changed_at('all_keyed_lines.updated_at', 'all_keyed_lines.version_at', 'dated_lines.dated_at') }} desc nulls last,
                all_keyed_lines.version_at desc nulls last, all_keyed_lines.corrected_at desc nulls last,
                all_keyed_lines.row_hash, all_keyed_lines.delivery_id, all_keyed_lines.record_no
        ) = 1
),

unkeyed_lines as (
    select * from document_lines
    where source_line_no is null
),

documents as (
    select
        source_system,
        source,
        source_order_id,
        min(delivery_id) <> max(delivery_id) as is_united
    from unkeyed_lines
    group by source_system, source, source_order_id
),

single_lines as (
    select unkeyed_lines.*
    from unkeyed_lines
    inner join documents
        on unkeyed_lines.source_system = documents.source_system
        and unkeyed_lines.source = documents.source
        and unkeyed_lines.source_order_id = documents.source_order_id
    where not documents.is_united
),

-- Deliveries of equal export time are united: a line counts as often as the delivery that repeats it most.
united_repeats as (
    select
        unkeyed_lines.*,
        row_number() over (
            partition by
                unkeyed_lines.source_system, unkeyed_lines.source, unkeyed_lines.source_order_id,
                unkeyed_lines.delivery_id, unkeyed_lines.row_hash
            order by unkeyed_lines.record_no
        ) as repeat_no
    from unkeyed_lines
    inner join documents
        on unkeyed_lines.source_system = documents.source_system
        and unkeyed_lines.source = documents.source
        and unkeyed_lines.source_order_id = documents.source_order_id
    where documents.is_united
),

united_lines as (
    select * from united_repeats
    qualify
        row_number() over (
            partition by source_system, source, source_order_id, row_hash, repeat_no
            order by delivery_id, record_no
        ) = 1
),

current_lines as (
    {%- for part in ['keyed_lines', 'single_lines', 'united_lines'] %}
    select
        source_system,
        source,
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
        delivery_id,
        record_no
    from {{ part }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

final as (
    select
        {{ stable_id(['source_system', 'source', 'source_order_id']) }} as order_id,
        source_system,
        source,
        source_order_id,
        -- Numbered by what the lines say, so that the order of rows in a file is of no consequence.
        cast(coalesce(source_line_no, row_number() over (
            partition by source_system, source, source_order_id
            order by product_id nulls last, row_hash, record_no
        )) as integer) as line_no,
        product_id,
        description,
        category,
        quantity,
        unit_price,
        net_amount,
        cost_amount,
        row_hash,
        is_deleted,
        delivery_id,
        record_no
    from current_lines
)

select * from final
