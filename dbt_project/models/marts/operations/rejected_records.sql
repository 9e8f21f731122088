{{ config(tags=['before_scores']) }}

with rejected as (
    select * from {{ ref('rejected_records_full') }}
),

-- A release may be read by many: of keys and values the first sign is left here, and none of short ones. They are whole in the
-- restricted file.
final as (
    select
        source_system,
        source,
        delivery_id,
        file,
        feed,
        record_no,
        {{ masked('source_key') }} as source_key,
        code,
        column_name,
        {{ masked('raw_value') }} as raw_value,
        is_corrected
    from rejected
)

select * from final
