{{ config(tags=['before_scores']) }}

with staged as (
    select * from {{ ref('stg_order_lines') }}
    where cast_error is null
),

deliveries as (
    select * from {{ ref('deliveries_current') }}
),

lines as (
    select
        staged.*,
        deliveries.is_replaced,
        deliveries.corrected_at
    from staged
    inner join deliveries
        on staged.source = deliveries.source
        and staged.delivery_id = deliveries.delivery_id
),

keyed_lines as (
    select * from lines
    where source_line_no is not null
    qualify
        row_number() over (
            partition by source_system, source, source_order_id, source_line_no
            order by
                is_replaced, version_at desc nulls last, corrected_at desc nulls last, row_hash, delivery_id, record_no
        ) = 1
),

-- A document whose lines have no keys is replaced whole by the newest delivery that contains it.
newest_documents as (
    select
        source_system,
        source,
        source_order_id,
        coalesce(max(version_at) filter (where not is_replaced), max(version_at)) as version_at
    from lines
    where source_line_no is null
    group by source_system, source, source_order_id
),

document_lines as (
    select lines.*
    from lines
    inner join newest_documents
        on lines.source_system = newest_documents.source_system
        and lines.source = newest_documents.source
        and lines.source_order_id = newest_documents.source_order_id
        and lines.version_at = newest_documents.version_at
    where lines.source_line_no is null
),

documents as (
    select
        source_system,
        source,
        source_order_id,
        min(delivery_id) <> max(delivery_id) as is_united
    from document_lines
    group by source_system, source, source_order_id
),

single_lines as (
    select document_lines.*
    from document_lines
    inner join documents
        on document_lines.source_system = documents.source_system
        and document_lines.source = documents.source
        and document_lines.source_order_id = documents.source_order_id
    where not documents.is_united
),

-- Deliveries of equal export time are united: a line counts as often as the delivery that repeats it most.
united_repeats as (
    select
        document_lines.*,
        row_number() over (
            partition by
                document_lines.source_system, document_lines.source, document_lines.source_order_id,
                document_lines.delivery_id, document_lines.row_hash
            order by document_lines.record_no
        ) as repeat_no
    from document_lines
    inner join documents
        on document_lines.source_system = documents.source_system
        and document_lines.source = documents.source
        and document_lines.source_order_id = documents.source_order_id
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
        is_replaced,
        delivery_id,
        record_no
    from keyed_lines

    union all

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
        is_replaced,
        delivery_id,
        record_no
    from single_lines

    union all

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
        is_replaced,
        delivery_id,
        record_no
    from united_lines
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
        is_replaced as is_deleted,
        delivery_id,
        record_no
    from current_lines
)

select * from final
