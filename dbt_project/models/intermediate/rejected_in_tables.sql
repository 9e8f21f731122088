{{ config(tags=['before_scores']) }}

{%- set keys = {'customers': 'source_customer_id', 'orders': 'source_order_id', 'order_lines': 'source_order_id', 'fx_rates': 'currency'} %}
{%- for feed, spec in keyed_feeds().items() %}{% do keys.update({feed: spec.key[0]}) %}{% endfor %}
{%- set tables = {'orders': 'order_versions'} %}
{%- for feed, spec in keyed_feeds().items() if spec.customer %}{% do tables.update({feed: feed ~ '_current'}) %}{% endfor %}

-- What no single row could show: a value that its type cannot hold, a customer that nobody delivered.
with found as (
    {%- for feed, key in keys.items() %}
    select
        source_system,
        source,
        delivery_id,
        '{{ feed }}' as feed,
        record_no,
        {{ key }} as source_key,
        cast_error_code as code,
        cast_error as column_name,
        cast_error_value as raw_value
    from {{ ref('stg_' ~ feed) }}
    where cast_error is not null

    union all
    {% endfor %}
    {%- for feed, table in tables.items() %}
    select
        source_system,
        source,
        delivery_id,
        '{{ feed }}' as feed,
        record_no,
        {{ keys[feed] }} as source_key,
        'orphan_customer' as code,
        'source_customer_id' as column_name,
        source_customer_id as raw_value
    from {{ ref(table) }}
    where is_orphan
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

deliveries as (
    select * from {{ ref('stg_deliveries') }}
),

-- A record may be read as several rows, also of several feeds, and is rejected once.
final as (
    select found.*
    from found
    inner join deliveries
        on found.source = deliveries.source
        and found.delivery_id = deliveries.delivery_id
    qualify
        row_number() over (
            partition by found.source, found.delivery_id, found.record_no
            order by
                case found.code when 'orphan_customer' then 1 when 'bad_date' then 2 when 'bad_amount' then 3 else 4 end,
                case when found.feed = deliveries.feed then 1 else 2 end,
                found.feed, found.column_name, found.source_key, found.raw_value
        ) = 1
)

select * from final
