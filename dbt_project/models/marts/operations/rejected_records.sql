{{ config(tags=['before_scores']) }}

with rejected as (
    select * from {{ ref('rejected_records_full') }}
),

-- A release may be read by many: keys and values keep their first two signs here and are whole in the restricted file.
final as (
    select
        source_system,
        source,
        delivery_id,
        file,
        feed,
        record_no,
        substring(source_key, 1, 2) || '…' as source_key,
        code,
        column_name,
        substring(raw_value, 1, 2) || '…' as raw_value,
        is_corrected
    from rejected
)

select * from final
