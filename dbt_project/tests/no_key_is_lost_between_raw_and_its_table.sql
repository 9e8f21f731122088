-- depends_on: {{ ref('deliveries') }}, beside which the outcome is shown
with delivered as (
    {%- for feed, spec in keyed_feeds().items() %}
    select
        '{{ feed }}' as feed,
        count(*) as delivered_keys
    from (
        select distinct
            source_system,
            source,
            {{ spec.key | join(', ') }}
        from {{ ref('stg_' ~ feed) }}
        where cast_error is null
    ) as keys
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

standing as (
    {%- for feed in keyed_feeds() %}
    select
        '{{ feed }}' as feed,
        count(*) as standing_keys
    from {{ ref(feed ~ '_current') }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
)

select
    delivered.feed,
    delivered.delivered_keys,
    standing.standing_keys
from delivered
inner join standing
    on delivered.feed = standing.feed
where delivered.delivered_keys <> standing.standing_keys
