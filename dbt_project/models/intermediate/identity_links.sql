{{ config(tags=['before_scores']) }}
{%- set strengths = match_rules() %}

with edges as (
    select * from {{ ref('identity_edges') }}
),

-- Of the records, those of whose evidence anything is not believed.
doubted as (
    select * from {{ source('identity', 'components') }}
    where is_apart or dropped_strength is not null
),

merged as (
    select source_record_id from edges
    where strength <= {{ strengths.external_id }}

    union

    select joined_record_id as source_record_id from edges
    where strength <= {{ strengths.external_id }}
),

-- What a merge, a decision or an id names may never have been delivered.
described as (
    select customers.source_record_id
    from {{ ref('customers_current') }} as customers
    inner join merged
        on customers.source_record_id = merged.source_record_id
),

judged as (
    select
        edges.source_record_id,
        edges.joined_record_id,
        edges.match_rule,
        edges.strength,
        edges.evidence_value,
        one.source_record_id is not null or other.source_record_id is not null as is_doubted
    from edges
    left join doubted as one
        on edges.source_record_id = one.source_record_id
    left join doubted as other
        on edges.joined_record_id = other.source_record_id
),

-- Who is joined to one record for one reason, that record itself among them.
ends as (
    select
        source_record_id,
        joined_record_id,
        match_rule,
        strength,
        evidence_value
    from judged
    where is_doubted

    union

    select
        joined_record_id as source_record_id,
        joined_record_id,
        match_rule,
        strength,
        evidence_value
    from judged
    where is_doubted
),

believed as (
    select
        ends.*,
        -- Those who share a value and are not doubted are of one component.
        coalesce(doubted.component_id, '') as component_id
    from ends
    left join doubted
        on ends.source_record_id = doubted.source_record_id
    where
        coalesce(ends.strength < doubted.dropped_strength, true)
        and (ends.strength <= {{ strengths.manual }} or not coalesce(doubted.is_apart, false))
),

-- Of those who are still together, each is shown with the record that all are joined to, else with the smallest.
agreements as (
    select
        *,
        first_value(source_record_id) over (
            partition by joined_record_id, match_rule, evidence_value, component_id
            order by case when source_record_id = joined_record_id then 0 else 1 end, source_record_id
        ) as first_record_id,
        lead(source_record_id) over (
            partition by joined_record_id, match_rule, evidence_value, component_id
            order by case when source_record_id = joined_record_id then 0 else 1 end, source_record_id
        ) as next_record_id
    from believed
),

all_links as (
    select
        source_record_id,
        match_rule,
        strength,
        joined_record_id as matched_record_id,
        evidence_value,
        '0' as direction
    from judged
    where not is_doubted

    union all

    select
        joined_record_id as source_record_id,
        match_rule,
        strength,
        min(source_record_id) as matched_record_id,
        evidence_value,
        '1' as direction
    from judged
    where not is_doubted
    group by joined_record_id, match_rule, strength, evidence_value

    union all

    select
        source_record_id,
        match_rule,
        strength,
        case when first_record_id = source_record_id then next_record_id else first_record_id end as matched_record_id,
        evidence_value,
        '0' as direction
    from agreements
    -- Two that a third was merged with, or that name a third, are joined by the third alone.
    where
        (next_record_id is not null or first_record_id <> source_record_id)
        and (strength > {{ strengths.external_id }} or first_record_id = joined_record_id)
),

ranked as (
    select
        all_links.source_record_id,
        all_links.match_rule,
        all_links.matched_record_id,
        coalesce(all_links.evidence_value, '') as evidence_value,
        -- Strengths have one digit. Of several records, one that can be shown goes before one that was never delivered, and what a
        -- record says of itself before what another says of it.
        cast(all_links.strength as {{ dbt.type_string() }})
        || case when described.source_record_id is null and all_links.strength <= {{ strengths.external_id }} then '1' else '0' end
        || all_links.direction
        || all_links.matched_record_id
        || coalesce(all_links.evidence_value, '') as place
    from all_links
    left join described
        on all_links.matched_record_id = described.source_record_id
),

final as (
    select
        source_record_id,
        min_by(match_rule, place) as match_rule,
        min_by(matched_record_id, place) as matched_record_id,
        nullif(min_by(evidence_value, place), '') as evidence_value
    from ranked
    group by source_record_id
)

select * from final
