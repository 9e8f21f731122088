{{ config(tags=['before_scores']) }}

with records as (
    select * from {{ ref('source_customers') }}
),

-- The later a record was written, the higher its place; one that only documents imply comes before all others.
placed as (
    select
        *,
        row_number() over (
            partition by customer_id
            order by
                case when is_described then 1 else 0 end,
                described_at nulls first, source_system desc, source desc, source_customer_id desc
        ) as place
    from records
),

addressed as (
    select
        *,
        max(case when country is not null or region is not null then place end) over (partition by customer_id) as address_place
    from placed
),

-- Each attribute is that of the newest record that has it; country and region are of one record.
final as (
    select
        -- ids
        customer_id,
        max_by(source_system, place) as source_system,
        max_by(source, place) as source,
        max_by(source_customer_id, place) as source_customer_id,
        max_by(owner_id, place) filter (where owner_id is not null) as owner_id,

        -- strings
        max_by(customer_type, place) as customer_type,
        max_by(name, place) filter (where name is not null) as name,
        max_by(email, place) filter (where email is not null) as email,
        max_by(phone, place) filter (where phone is not null) as phone,
        max(country) filter (where place = address_place) as country,
        max(region) filter (where place = address_place) as region,
        max_by(acquisition_channel, place) filter (where acquisition_channel is not null) as acquisition_channel,

        -- numerics
        count(*) as records,

        -- booleans
        coalesce(max(case when is_active then 1 else 0 end) filter (where is_described) = 1, true) as is_active,

        -- timestamps
        min(created_at) as created_at
    from addressed
    group by customer_id
)

select * from final
