{{ config(tags=['before_scores']) }}

with deliveries as (
    select * from {{ ref('deliveries') }}
),

standing as (
    {%- for feed in ['customers', 'orders', 'order_lines', 'fx_rates'] + (keyed_feeds() | list) %}
    select
        '{{ feed }}' as feed,
        source,
        delivery_id,
        count(*) filter (where not is_deleted) as standing_rows
    from {{ ref(feed ~ '_current') }}
    group by source, delivery_id
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- A feed may also come out of the files of another: orders out of the lines of their documents, lines out of orders.
delivered as (
    select
        feed,
        source,
        delivery_id,
        0 as standing_rows
    from deliveries

    union all

    select
        feed,
        source,
        delivery_id,
        standing_rows
    from standing
),

known as (
    select
        delivered.feed,
        count(distinct delivered.source) as sources,
        sum(delivered.standing_rows) as standing_rows,
        max(deliveries.exported_at) as last_exported_at
    from delivered
    inner join deliveries
        on delivered.source = deliveries.source
        and delivered.delivery_id = deliveries.delivery_id
    group by delivered.feed
),

feeds as (
    {%- for feed in ['customers', 'orders', 'order_lines', 'fx_rates'] + (keyed_feeds() | list) %}
    select '{{ feed }}' as feed
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

final as (
    select
        feeds.feed,
        case when known.feed is not null then 'available' else 'not_available' end as availability,
        coalesce(known.sources, 0) as sources,
        cast(coalesce(known.standing_rows, 0) as bigint) as standing_rows,
        known.last_exported_at
    from feeds
    left join known
        on feeds.feed = known.feed
)

select * from final
