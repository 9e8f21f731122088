{{ config(tags=['before_scores']) }}

with {{ delivered_lines(['*']) }},

-- A document that is delivered whole, or whose lines have no keys, is replaced whole by its newest version. Deliveries of equal
-- export time are united: they are one version.
versions_of_documents as (
    select distinct
        source_system,
        source,
        source_order_id,
        is_replaced,
        is_told,
        document_updated_at,
        version_at,
        delivery_id
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
    where document_updated_at is not null and is_told
    group by source_system, source, source_order_id
),

changed_documents as (
    select
        versions_of_documents.*,
        {{ changed_at(
            'versions_of_documents.document_updated_at', 'versions_of_documents.version_at', 'dated_documents.dated_at'
        ) }} as changed_at
    from versions_of_documents
    left join dated_documents
        on versions_of_documents.source_system = dated_documents.source_system
        and versions_of_documents.source = dated_documents.source
        and versions_of_documents.source_order_id = dated_documents.source_order_id
        and versions_of_documents.document_updated_at is null
),

-- `deliveries` counts no more than those of the newest version where it is read, at place 1.
ranked_documents as (
    select
        *,
        rank() over (
            partition by source_system, source, source_order_id
            order by is_replaced, is_told desc, changed_at desc nulls last, version_at desc nulls last, document_updated_at desc nulls last
        ) as place,
        count(*) over (
            partition by source_system, source, source_order_id
            order by is_replaced, is_told desc, changed_at desc nulls last, version_at desc nulls last, document_updated_at desc nulls last
            range between unbounded preceding and current row
        ) as deliveries
    from changed_documents
),

document_lines as (
    select
        lines.*,
        newest_documents.deliveries > 1 as is_united
    from lines
    inner join ranked_documents as newest_documents
        on lines.source_system = newest_documents.source_system
        and lines.source = newest_documents.source
        and lines.source_order_id = newest_documents.source_order_id
        and lines.delivery_id = newest_documents.delivery_id
        and lines.document_updated_at is not distinct from newest_documents.document_updated_at
    where lines.is_of_whole and newest_documents.place = 1
),

-- Of a line with a key one version counts: in a file of lines alone each by itself.
all_keyed_lines as (
    select
        *,
        false as is_united
    from lines
    where not is_of_whole

    union all

    select * from document_lines
    where source_line_no is not null
),

repeated_keys as (
    select
        source_system,
        source,
        source_order_id,
        source_line_no,
        max(case when updated_at is not null and is_told then version_at end) as dated_at
    from all_keyed_lines
    group by source_system, source, source_order_id, source_line_no
    having count(*) > 1
),

marked_lines as (
    select
        all_keyed_lines.*,
        repeated_keys.source is not null as is_repeated,
        repeated_keys.dated_at
    from all_keyed_lines
    left join repeated_keys
        on all_keyed_lines.source_system = repeated_keys.source_system
        and all_keyed_lines.source = repeated_keys.source
        and all_keyed_lines.source_order_id = repeated_keys.source_order_id
        and all_keyed_lines.source_line_no = repeated_keys.source_line_no
),

newest_of_repeated as (
    select * from marked_lines
    where is_repeated
    qualify
        row_number() over (
            partition by source_system, source, source_order_id, source_line_no
            order by
                is_replaced, is_told desc, {{ changed_at('updated_at', 'version_at', 'dated_at') }} desc nulls last,
                version_at desc nulls last, corrected_at desc nulls last, row_hash, delivery_id, record_no
        ) = 1
),

-- A line counts as often as the delivery that repeats it most.
united_repeats as (
    select
        *,
        row_number() over (
            partition by source_system, source, source_order_id, delivery_id, row_hash
            order by record_no
        ) as repeat_no
    from document_lines
    where source_line_no is null and is_united
),

united_lines as (
    select * from united_repeats
    qualify
        row_number() over (
            partition by source_system, source, source_order_id, row_hash, repeat_no
            order by delivery_id, record_no
        ) = 1
),

{% set parts = {
    'marked_lines': 'not is_repeated',
    'newest_of_repeated': none,
    'document_lines': 'source_line_no is null and not is_united',
    'united_lines': none
} -%}
current_lines as (
    {%- for part, condition in parts.items() %}
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
    {%- if condition %}
    where {{ condition }}
    {%- endif %}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

unnumbered_documents as (
    select distinct
        source_system,
        source,
        source_order_id
    from current_lines
    where source_line_no is null
),

-- Numbered by what the lines say, so that the order of rows in a file is of no consequence.
numbered_lines as (
    select
        current_lines.*,
        row_number() over (
            partition by current_lines.source_system, current_lines.source, current_lines.source_order_id
            order by current_lines.product_id nulls last, current_lines.row_hash, current_lines.record_no
        ) as place
    from current_lines
    inner join unnumbered_documents
        on current_lines.source_system = unnumbered_documents.source_system
        and current_lines.source = unnumbered_documents.source
        and current_lines.source_order_id = unnumbered_documents.source_order_id

    union all

    select
        current_lines.*,
        null as place
    from current_lines
    left join unnumbered_documents
        on current_lines.source_system = unnumbered_documents.source_system
        and current_lines.source = unnumbered_documents.source
        and current_lines.source_order_id = unnumbered_documents.source_order_id
    where unnumbered_documents.source_order_id is null
),

final as (
    select
        {{ stable_id(['source_system', 'source', 'source_order_id']) }} as order_id,
        source_system,
        source,
        source_order_id,
        cast(coalesce(source_line_no, place) as integer) as line_no,
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
    from numbered_lines
)

select * from final
