{{ config(tags=['before_scores']) }}

with rejected as (
    select * from {{ ref('rejected_records_full') }}
),

final as (
    select
        source_system,
        source,
        delivery_id,
        file,
        feed,
        code,
        count(*) as records,
        count(*) filter (where is_corrected) as corrected,
        min(record_no) as first_record_no
    from rejected
    group by source_system, source, delivery_id, file, feed, code
)

select * from final
