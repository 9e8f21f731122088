{{ config(tags=['before_identity']) }}

with staged as (
    select * from {{ ref('stg_customers') }}
),

deliveries as (
    select * from {{ ref('deliveries_current') }}
),

-- What was only written after tonight stands only for want of anything else. What a file of documents says of its customers in
-- passing stands only where no file of customers says it.
dated as (
    select
        staged.*,
        {{ stable_id(['staged.source_system', 'staged.source', 'staged.source_customer_id']) }} as source_record_id,
        deliveries.is_replaced,
        deliveries.corrected_at,
        deliveries.feed = 'customers' as is_of_customers,
        coalesce({{ business_date('coalesce(staged.created_at, staged.updated_at)') }} <= {{ tonight() }}, true) as is_known,
        coalesce({{ business_date('staged.updated_at') }} <= {{ tonight() }}, true) as was_written
    from staged
    inner join deliveries
        on staged.source = deliveries.source
        and staged.delivery_id = deliveries.delivery_id
),

standing as (
    select * from dated
    qualify
        row_number() over (
            partition by source_record_id
            order by
                is_replaced, is_known desc, was_written desc, is_of_customers desc, updated_at desc nulls last,
                version_at desc nulls last, corrected_at desc nulls last, row_hash, delivery_id, record_no
        ) = 1
),

final as (
    select
        -- ids
        source_record_id,
        source_system,
        source,
        source_customer_id,
        merged_into,
        account_id,
        owner_id,
        referrer_id,
        delivery_id,
        record_no,

        -- strings
        customer_type,
        name,
        company_name,
        email,
        phone,
        wechat_id,
        qq,
        gender,
        country,
        region,
        city,
        industry,
        acquisition_channel,
        membership_level,
        tags,

        -- booleans
        is_active,
        is_replaced or is_deleted as is_deleted,
        is_known,

        -- dates
        birth_date,

        -- timestamps
        created_at,
        updated_at
    from standing
)

select * from final
