with source as (
    select * from {{ source('raw', 'reps') }}
),

renamed as (
    select
        -- ids
        source_system,
        source,
        rep_id,
        delivery_id,
        record_no,

        -- strings
        name,
        email,
        role,
        {{ row_hash(['rep_id', 'name', 'email', 'role', 'is_active']) }} as row_hash,
        {{ cast_errors() }},

        -- booleans
        {{ as_boolean('is_active') }} as is_active,

        -- timestamps
        {{ as_timestamp('updated_at') }} as updated_at
    from source
)

select * from renamed
