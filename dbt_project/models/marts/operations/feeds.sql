{{ config(tags=['before_scores']) }}

with deliveries as (
    select * from {{ ref('deliveries') }}
),

-- A feed may also come out of the files of another: orders out of the lines of their documents.
standing as (
    {%- for feed in ['customers', 'orders', 'order_lines', 'fx_rates'] + (keyed_feeds() | list) %}
    select
        '{{ feed }}' as feed,
        count(*) as standing_rows
    from {{ ref(feed ~ '_current') }}
    where not is_deleted
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

delivered as (
    select
        feed,
        count(distinct source) as sources,
        max(exported_at) as last_exported_at
    from deliveries
    group by feed
),

final as (
    select
        standing.feed,
        case
            when delivered.feed is not null or standing.standing_rows > 0 then 'available'
            else 'not_available'
        end as availability,
        coalesce(delivered.sources, 0) as sources,
        standing.standing_rows,
        delivered.last_exported_at
    from standing
    left join delivered
        on standing.feed = delivered.feed
)

select * from final
