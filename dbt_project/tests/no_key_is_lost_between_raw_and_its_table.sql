-- depends_on: {{ ref('deliveries') }}, beside which the outcome is shown
{%- set said = {'consents': {'source_customer_id': 'stated_by'}} %}
with rows_of_feeds as (
    {%- for feed in ['customers', 'orders', 'order_lines', 'fx_rates'] + (keyed_feeds() | list) %}
    select
        '{{ feed }}' as feed,
        (select count(*) from {{ source('raw', feed) }}) as raw_rows,
        (select count(*) from {{ ref('stg_' ~ feed) }}) as staged_rows
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

{%- for feed, spec in keyed_feeds().items() %}

{{ feed }}_keys as (
    select
        source_system,
        source,
        {%- for column in spec.key %}
        {{ column }},
        {%- endfor %}
        1 as is_delivered,
        0 as is_standing
    from {{ ref('stg_' ~ feed) }}
    where cast_error is null

    union all

    select
        source_system,
        source,
        {%- for column in spec.key %}
        {{ said.get(feed, {}).get(column, column) }} as {{ column }},
        {%- endfor %}
        0 as is_delivered,
        1 as is_standing
    from {{ ref(feed ~ '_current') }}
),
{%- endfor %}

found as (
    {%- for feed, spec in keyed_feeds().items() %}
    select
        '{{ feed }}' as feed,
        {% for column in spec.key %}{% if not loop.first %} || '|' || {% endif %}coalesce(cast({{ column }} as {{ dbt.type_string() }}), ''){% endfor %} as key,
        max(is_delivered) as is_delivered,
        sum(is_standing) as times
    from {{ feed }}_keys
    group by source_system, source{% for column in spec.key %}, {{ column }}{% endfor %}
    having max(is_delivered) = 0 or sum(is_standing) <> 1

    union all
    {% endfor %}
    select
        feed,
        null as key,
        raw_rows as is_delivered,
        staged_rows as times
    from rows_of_feeds
    where raw_rows <> staged_rows
)

select * from found
