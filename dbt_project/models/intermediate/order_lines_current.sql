{{ config(tags=['before_scores']) }}

with {{ numbered_deliveries() }},

{{ delivered_lines([
    'source_order_id', 'source_line_no', 'product_id', 'description', 'category', 'quantity', 'unit_price', 'net_amount',
    'cost_amount', 'row_hash', 'is_deleted', 'updated_at', 'record_no'
]) }},

{{ contested_documents() }},

-- Of most documents one version was delivered, and no line of it twice: nothing is to be decided.
open_documents as (
    select
        source_no,
        source_order_id
    from contested_documents

    union

    select
        source_no,
        source_order_id
    from lines
    where source_line_no is not null
    group by source_no, source_order_id, source_line_no
    having count(*) > 1
),

settled_lines as (
    select lines.* from lines
    left join open_documents
        on lines.source_no = open_documents.source_no
        and lines.source_order_id = open_documents.source_order_id
    where open_documents.source_no is null
),

open_lines as (
    select lines.* from lines
    inner join open_documents
        on lines.source_no = open_documents.source_no
        and lines.source_order_id = open_documents.source_order_id
),

newest_lines as (
    select
        open_lines.*,
        contested_documents.source_no is not null and open_lines.source_line_no is null as is_united
    from open_lines
    left join contested_documents
        on open_lines.source_no = contested_documents.source_no
        and open_lines.source_order_id = contested_documents.source_order_id
        and open_lines.delivery_no = contested_documents.delivery_no
        and open_lines.document_updated_at is not distinct from contested_documents.document_updated_at
        and open_lines.is_of_whole
    where contested_documents.place is null or contested_documents.place = 1
),

-- Of a line with a key one version counts: in a file of lines alone each by itself.
dated_lines as (
    select
        *,
        max(case when updated_at is not null and is_told then version_at end) over (
            partition by source_no, source_order_id, source_line_no
        ) as dated_at
    from newest_lines
    where source_line_no is not null
),

newest_of_keys as (
    select * from dated_lines
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
    from newest_lines
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
    'settled_lines': none,
    'newest_of_keys': none,
    'newest_lines': 'source_line_no is null and not is_united',
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
