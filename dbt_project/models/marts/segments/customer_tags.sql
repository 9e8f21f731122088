{{ config(tags=['after_scores']) }}

with classes as (
    select * from {{ ref('customer_classes') }}
),

told_by_sources as (
    select * from {{ ref('source_tags') }}
),

manual_tags as (
    select * from {{ source('run', 'manual_tags') }}
),

source_customers as (
    select * from {{ ref('source_customers') }}
),

customers as (
    select * from {{ ref('customers') }}
),

moved_customers as (
    select * from {{ ref('customer_id_history') }}
),

previous as (
    select * from {{ source('run', 'previous_customer_tags') }}
),

known_tags as (
    {%- for tag in var('tags') %}
    select
        '{{ tag.id }}' as tag,
        '{{ tag.group }}' as tag_group,
        {{ literal(tag.zh) }} as tag_zh,
        {{ literal(tag.en) }} as tag_en
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as tag,
        cast(null as {{ dbt.type_string() }}) as tag_group,
        cast(null as {{ dbt.type_string() }}) as tag_zh,
        cast(null as {{ dbt.type_string() }}) as tag_en
    where false
    {%- endfor %}
),

-- Of two that people gave in one group, the later counts.
given_by_people as (
    select
        source_customers.customer_id,
        manual_tags.tag,
        known_tags.tag_group,
        manual_tags.valid_from
    from manual_tags
    inner join source_customers
        on manual_tags.source = source_customers.source
        and manual_tags.source_customer_id = source_customers.source_customer_id
    left join known_tags
        on manual_tags.tag = known_tags.tag
    where manual_tags.valid_from <= {{ tonight() }}
        and (manual_tags.valid_to > {{ tonight() }} or manual_tags.valid_to is null)
    qualify
        row_number() over (
            partition by source_customers.customer_id, coalesce(known_tags.tag_group, 'tag ' || manual_tags.tag)
            order by manual_tags.valid_from desc, manual_tags.line_no desc
        ) = 1
),

given_by_rules as (
    {%- for group in var('tag_groups') %}
    select
        customer_id,
        tag_{{ group.group }} as tag,
        '{{ group.group }}' as tag_group,
        {{ tag_group_version(group.group) }} as version
    from classes
    where tag_{{ group.group }} is not null
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- else %}
    select
        customer_id,
        cast(null as {{ dbt.type_string() }}) as tag,
        cast(null as {{ dbt.type_string() }}) as tag_group,
        cast(null as {{ dbt.type_string() }}) as version
    from classes
    where false
    {%- endfor %}
),

-- Where a person has decided, the rule of that group is silent.
tonights as (
    select
        given_by_rules.customer_id,
        given_by_rules.tag,
        given_by_rules.tag_group,
        'rule' as source_kind,
        'rules' as source,
        given_by_rules.version,
        {{ tonight() }} as known_from
    from given_by_rules
    left join given_by_people
        on given_by_rules.customer_id = given_by_people.customer_id
        and given_by_rules.tag_group = given_by_people.tag_group
    where given_by_people.customer_id is null

    union all

    select
        customer_id,
        tag,
        tag_group,
        'manual' as source_kind,
        'manual' as source,
        null as version,
        valid_from as known_from
    from given_by_people

    union all

    select
        customer_id,
        tag,
        null as tag_group,
        'source_system' as source_kind,
        source,
        null as version,
        {{ tonight() }} as known_from
    from told_by_sources
),

-- Customers who have become others take their tags along; of who is gone nothing is kept.
remembered as (
    select
        coalesce(moved_customers.customer_id, previous.customer_id) as customer_id,
        previous.tag,
        previous.tag_group,
        previous.source_kind,
        previous.source,
        previous.version,
        previous.valid_from,
        previous.valid_to
    from previous
    left join moved_customers
        on previous.customer_id = moved_customers.old_customer_id
    inner join customers
        on coalesce(moved_customers.customer_id, previous.customer_id) = customers.customer_id
),

still_open as (
    select
        customer_id,
        tag,
        source_kind,
        source,
        min(valid_from) as valid_from,
        max(tag_group) as tag_group,
        max(version) as version
    from remembered
    where valid_to is null
    group by customer_id, tag, source_kind, source
),

-- A tag that is there tonight goes on, under the rule of tonight; one that is not has ended tonight.
episodes as (
    select
        coalesce(tonights.customer_id, still_open.customer_id) as customer_id,
        coalesce(tonights.tag, still_open.tag) as tag,
        case when tonights.customer_id is not null then tonights.tag_group else still_open.tag_group end as tag_group,
        coalesce(tonights.source_kind, still_open.source_kind) as source_kind,
        coalesce(tonights.source, still_open.source) as source,
        case when tonights.customer_id is not null then tonights.version else still_open.version end as version,
        coalesce(still_open.valid_from, tonights.known_from) as valid_from,
        case when tonights.customer_id is null then {{ tonight() }} end as valid_to
    from tonights
    full join still_open
        on tonights.customer_id = still_open.customer_id
        and tonights.tag = still_open.tag
        and tonights.source_kind = still_open.source_kind
        and tonights.source = still_open.source

    union all

    select
        customer_id,
        tag,
        tag_group,
        source_kind,
        source,
        version,
        valid_from,
        valid_to
    from remembered
    where valid_to is not null
),

-- Two customers who have become one may have had the same tag from the same day.
joined as (
    select
        customer_id,
        tag,
        source_kind,
        source,
        valid_from,
        max(tag_group) as tag_group,
        max(version) as version,
        case when count(*) = count(valid_to) then max(valid_to) end as valid_to
    from episodes
    group by customer_id, tag, source_kind, source, valid_from
),

-- What a source or a person wrote is its own label in both languages.
final as (
    select
        joined.customer_id,
        joined.tag,
        case when joined.source_kind = 'source_system' then joined.tag else coalesce(known_tags.tag_zh, joined.tag) end as tag_zh,
        case when joined.source_kind = 'source_system' then joined.tag else coalesce(known_tags.tag_en, joined.tag) end as tag_en,
        joined.tag_group,
        joined.source_kind,
        joined.source,
        joined.version,
        joined.valid_from,
        joined.valid_to,
        joined.valid_to is null as is_current
    from joined
    left join known_tags
        on joined.tag = known_tags.tag
)

select * from final
