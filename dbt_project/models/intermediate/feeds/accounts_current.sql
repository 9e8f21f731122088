{{ config(tags=['before_scores']) }}

with {{ standing_rows('accounts') }},

final as (
    select
        -- ids
        source_system,
        source,
        account_id,
        parent_account_id,
        owner_id,
        delivery_id,
        record_no,

        -- strings
        account_name,
        domain,
        industry,
        country,

        -- booleans
        is_deleted,

        -- timestamps
        created_at
    from standing
)

select * from final
