with source as (
    select * from {{ source('raw', 'campaigns') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        campaign_id,
        delivery_id,
        record_no,

        -- strings
        name as campaign_name,
        kind,
        currency,
        {{ row_hash(['campaign_id', 'name', 'kind', 'currency', 'budget', 'actual_cost', 'started_on', 'ended_on']) }} as row_hash,
        {{ cast_errors(dates=['started_on', 'ended_on'], amounts=['budget', 'actual_cost']) }},

        -- numerics
        {{ as_amount('budget') }} as budget,
        {{ as_amount('actual_cost') }} as actual_cost,

        -- dates
        {{ as_date('started_on') }} as started_on,
        {{ as_date('ended_on') }} as ended_on,

        -- timestamps
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
