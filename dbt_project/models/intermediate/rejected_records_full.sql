{{ config(tags=['before_scores']) }}

with rejected as (
    select * from {{ ref('stg_rejected') }}
),

rejected_in_tables as (
    select * from {{ ref('rejected_in_tables') }}
),

deliveries as (
    select * from {{ ref('stg_deliveries') }}
),

all_rejected as (
    select
        source_system,
        source,
        delivery_id,
        feed,
        record_no,
        source_key,
        code,
        column_name,
        raw_value
    from rejected

    union all

    select
        source_system,
        source,
        delivery_id,
        feed,
        record_no,
        source_key,
        code,
        column_name,
        raw_value
    from rejected_in_tables
),

-- A correction names the delivery that it corrects, and the numbers of the records there.
corrected as (
    select distinct
        all_rejected.source,
        all_rejected.delivery_id,
        all_rejected.record_no
    from all_rejected
    inner join deliveries
        on all_rejected.source = deliveries.source
        and all_rejected.delivery_id = deliveries.corrected_delivery_id
        and ',' || deliveries.corrected_records || ',' like '%,' || cast(all_rejected.record_no as {{ dbt.type_string() }}) || ',%'
),

final as (
    select
        all_rejected.source_system,
        all_rejected.source,
        all_rejected.delivery_id,
        deliveries.file,
        all_rejected.feed,
        cast(all_rejected.record_no as bigint) as record_no,
        all_rejected.source_key,
        all_rejected.code,
        all_rejected.column_name,
        all_rejected.raw_value,
        corrected.record_no is not null as is_corrected,
        {{ reject_advice('all_rejected.code', 'zh') }} as advice_zh,
        {{ reject_advice('all_rejected.code', 'en') }} as advice_en
    from all_rejected
    inner join deliveries
        on all_rejected.source = deliveries.source
        and all_rejected.delivery_id = deliveries.delivery_id
    left join corrected
        on all_rejected.source = corrected.source
        and all_rejected.delivery_id = corrected.delivery_id
        and all_rejected.record_no = corrected.record_no
)

select * from final
