{{ config(tags=['before_identity']) }}
{%- set attributes = [
    'account_id', 'owner_id', 'referrer_id', 'name', 'company_name', 'email', 'phone', 'wechat_id', 'qq', 'gender', 'industry',
    'acquisition_channel', 'membership_level', 'tags', 'birth_date', 'created_at'
] %}
{%- set address = ['country', 'region', 'city'] %}

with deliveries as (
    select * from {{ ref('deliveries_current') }}
),

dated_keys as (
    select
        staged.source_system,
        staged.source,
        staged.source_customer_id,
        deliveries.feed = 'customers' as is_of_customers,
        max(deliveries.version_at) as dated_at
    from {{ ref('stg_customers') }} as staged
    inner join deliveries
        on staged.source = deliveries.source
        and staged.delivery_id = deliveries.delivery_id
    where staged.updated_at is not null and {{ is_told('staged.updated_at', 'deliveries.exported_at') }}
    group by staged.source_system, staged.source, staged.source_customer_id, deliveries.feed = 'customers'
),

-- What is only said since a day after tonight stands only for want of anything earlier. What a file of documents says of its customers in
-- passing stands only where no file of customers says it.
dated as (
    select
        staged.*,
        {{ stable_id(['staged.source_system', 'staged.source', 'staged.source_customer_id']) }} as source_record_id,
        deliveries.is_replaced,
        deliveries.version_at,
        deliveries.corrected_at,
        deliveries.feed = 'customers' as is_of_customers,
        coalesce({{ business_date('coalesce(staged.created_at, staged.updated_at)') }} <= {{ tonight() }}, true) as is_known,
        {{ is_told('staged.updated_at', 'deliveries.exported_at') }} as is_told,
        dated_keys.dated_at
    from {{ ref('stg_customers') }} as staged
    inner join deliveries
        on staged.source = deliveries.source
        and staged.delivery_id = deliveries.delivery_id
    left join dated_keys
        on staged.source_system = dated_keys.source_system
        and staged.source = dated_keys.source
        and staged.source_customer_id = dated_keys.source_customer_id
        and (deliveries.feed = 'customers') = dated_keys.is_of_customers
        and staged.updated_at is null
),

placed as (
    select
        *,
        row_number() over (
            partition by source_record_id
            order by
                is_replaced, is_known desc, is_told desc, is_of_customers desc,
                {{ changed_at('updated_at', 'version_at', 'dated_at') }} desc nulls last,
                version_at desc nulls last, corrected_at desc nulls last, row_hash, delivery_id, record_no
        ) as place
    from dated
),

standing as (
    select * from placed
    where place = 1
),

-- Documents that stand as firmly as the newest of them does.
documents as (
    select * from placed
    where not is_of_customers
    qualify
        rank() over (partition by source_record_id order by is_replaced, is_known desc, is_told desc) = 1
),

-- A blank in a file of customers is a statement; a document that does not say something has nothing to say of it. Each attribute
-- is that of the newest document that has it; country, region and city are of one.
told as (
    select
        source_record_id,
        {%- for attribute in attributes %}
        min_by({{ attribute }}, place) filter (where {{ attribute }} is not null) as {{ attribute }},
        {%- endfor %}
        {%- for part in address %}
        nullif(min_by(coalesce({{ part }}, ''), place) filter (where coalesce({{ address | join(', ') }}) is not null), '') as {{ part }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from documents
    group by source_record_id
),

final as (
    select
        -- ids
        standing.source_record_id,
        standing.source_system,
        standing.source,
        standing.source_customer_id,
        standing.merged_into,
        coalesce(standing.account_id, told.account_id) as account_id,
        coalesce(standing.owner_id, told.owner_id) as owner_id,
        coalesce(standing.referrer_id, told.referrer_id) as referrer_id,
        standing.delivery_id,
        standing.record_no,

        -- strings
        standing.customer_type,
        coalesce(standing.name, told.name) as name,
        coalesce(standing.company_name, told.company_name) as company_name,
        coalesce(standing.email, told.email) as email,
        coalesce(standing.phone, told.phone) as phone,
        coalesce(standing.wechat_id, told.wechat_id) as wechat_id,
        coalesce(standing.qq, told.qq) as qq,
        coalesce(standing.gender, told.gender) as gender,
        coalesce(standing.country, told.country) as country,
        coalesce(standing.region, told.region) as region,
        coalesce(standing.city, told.city) as city,
        coalesce(standing.industry, told.industry) as industry,
        coalesce(standing.acquisition_channel, told.acquisition_channel) as acquisition_channel,
        coalesce(standing.membership_level, told.membership_level) as membership_level,
        coalesce(standing.tags, told.tags) as tags,

        -- booleans
        standing.is_active,
        standing.is_replaced or standing.is_deleted as is_deleted,
        standing.is_known,

        -- dates
        coalesce(standing.birth_date, told.birth_date) as birth_date,

        -- timestamps
        coalesce(standing.created_at, told.created_at) as created_at,
        standing.updated_at
    from standing
    left join told
        on standing.source_record_id = told.source_record_id
        and not standing.is_of_customers
)

select * from final
