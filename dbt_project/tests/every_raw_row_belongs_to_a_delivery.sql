with raw_rows as (
    {%- for feed in ['customers', 'orders', 'order_lines', 'fx_rates', 'rejected'] + (keyed_feeds() | list) %}
    select distinct
        '{{ feed }}' as feed,
        source,
        delivery_id
    from {{ source('raw', feed) }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
)

select raw_rows.*
from raw_rows
left join {{ ref('stg_deliveries') }} as deliveries
    on raw_rows.source = deliveries.source
    and raw_rows.delivery_id = deliveries.delivery_id
where deliveries.delivery_id is null
