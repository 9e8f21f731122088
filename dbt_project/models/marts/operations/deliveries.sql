{{ config(tags=['before_scores']) }}

with deliveries as (
    select * from {{ ref('stg_deliveries') }}
),

orders as (
    select * from {{ ref('orders_current') }}
),

lines as (
    select * from {{ ref('order_lines_current') }}
),

rejected as (
    select * from {{ ref('rejected_in_tables') }}
),

-- What became of each row, the worst first: 1 rejected, 2 loaded, 3 deleted, about nobody who is a customer yet, or in a status
-- that does not count, 4 replaced by another row.
row_outcomes as (
    select
        source,
        delivery_id,
        feed,
        record_no,
        1 as outcome
    from rejected

    union all

    select
        source,
        delivery_id,
        feed,
        record_no,
        4 as outcome
    from {{ ref('replaced_rows') }}

    union all

    select
        source,
        delivery_id,
        'orders' as feed,
        record_no,
        case when {{ is_counted('status') }} and not is_deleted then 2 else 3 end as outcome
    from orders
    where not is_orphan

    union all

    -- Lines of a document that did not load do not count either.
    select
        lines.source,
        lines.delivery_id,
        'order_lines' as feed,
        lines.record_no,
        case
            when {{ is_counted('orders.status') }} and not orders.is_orphan and not orders.is_deleted and not lines.is_deleted then 2
            else 3
        end as outcome
    from lines
    left join orders
        on lines.order_id = orders.order_id
    {%- for feed in ['customers', 'fx_rates'] + (keyed_feeds() | list) %}

    union all

    select
        source,
        delivery_id,
        '{{ feed }}' as feed,
        record_no,
        case when is_deleted{% if keyed_feeds().get(feed, {}).customer and feed != 'contacts' %} or is_prospect{% endif %} then 3 else 2 end as outcome
    from {{ ref(feed ~ '_current') }}
    {%- if keyed_feeds().get(feed, {}).customer %}
    where not is_orphan
    {%- endif %}
    {%- endfor %}
),

-- Records are told apart by a number per delivery, for there may be many of them and the names of their deliveries are long.
numbered_deliveries as (
    select
        source,
        delivery_id,
        feed,
        row_number() over (order by source, delivery_id) as delivery_no
    from deliveries
),

-- A record that is read as several rows is counted once. Rows of other feeds than the file's own count only where one of them
-- is bad: then the record is.
record_outcomes as (
    select
        numbered_deliveries.delivery_no,
        row_outcomes.record_no,
        min(row_outcomes.outcome) as outcome
    from row_outcomes
    inner join numbered_deliveries
        on row_outcomes.source = numbered_deliveries.source
        and row_outcomes.delivery_id = numbered_deliveries.delivery_id
        and (row_outcomes.feed = numbered_deliveries.feed or row_outcomes.outcome = 1)
    group by numbered_deliveries.delivery_no, row_outcomes.record_no
),

outcomes as (
    select
        delivery_no,
        count(*) filter (where outcome = 1) as rejected,
        count(*) filter (where outcome = 2) as loaded,
        count(*) filter (where outcome = 3) as excluded,
        count(*) filter (where outcome = 4) as duplicates
    from record_outcomes
    group by delivery_no
),

documents as (
    select
        source,
        delivery_id,
        'order_lines' as feed,
        count(distinct source_order_id) as documents
    from {{ ref('stg_order_lines') }}
    group by source, delivery_id

    union all

    select
        source,
        delivery_id,
        'orders' as feed,
        count(distinct source_order_id) as documents
    from {{ ref('stg_orders') }}
    group by source, delivery_id
),

counted as (
    select
        deliveries.*,
        documents.documents,
        coalesce(outcomes.loaded, 0) as loaded,
        coalesce(outcomes.excluded, 0) as excluded_later,
        coalesce(outcomes.duplicates, 0) as duplicates,
        coalesce(outcomes.rejected, 0) as rejected_later
    from deliveries
    left join documents
        on deliveries.source = documents.source
        and deliveries.delivery_id = documents.delivery_id
        and deliveries.feed = documents.feed
    inner join numbered_deliveries
        on deliveries.source = numbered_deliveries.source
        and deliveries.delivery_id = numbered_deliveries.delivery_id
    left join outcomes
        on numbered_deliveries.delivery_no = outcomes.delivery_no
),

final as (
    select
        delivery_id,
        source_system,
        source,
        file,
        feed,
        cast(records as bigint) as records,
        cast(documents as bigint) as documents,
        cast(loaded as bigint) as loaded,
        cast(duplicates as bigint) as duplicates,
        cast(ignored + excluded_later as bigint) as excluded,
        cast(rejected + rejected_later as bigint) as rejected,
        exported_at,
        received_at
    from counted
)

select * from final
