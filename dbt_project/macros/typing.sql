{#- Typing with a round trip: what a type cannot hold exactly is an error of the record, never a rounded value. -#}

{%- macro as_amount(column) -%} {{ dbt.safe_cast(column, 'decimal(18, 4)') }} {%- endmacro -%}

{#- A product of two amounts or rates: DuckDB multiplies two decimals of 18 digits in 18 digits, too few for a million at a rate of 8 decimals. -#}
{%- macro product(left, right) -%} cast({{ left }} as decimal(28, 4)) * {{ right }} {%- endmacro -%}

{%- macro as_timestamp(column) -%}
    {{ dbt.safe_cast("replace(replace(" ~ column ~ ", 'T', ' '), 'Z', '')", 'timestamp') }}
{%- endmacro -%}

{%- macro as_date(column) -%} {{ dbt.safe_cast(column, 'date') }} {%- endmacro -%}

{%- macro as_boolean(column) -%}
    case
        when lower({{ column }}) in ('true', '1', 'yes', 'y', 't') then true
        when lower({{ column }}) in ('false', '0', 'no', 'n', 'f') then false
    end
{%- endmacro -%}

{#- NULL when every listed column survives its type, else the name of the first that does not. -#}
{%- macro first_cast_error(amounts=[], timestamps=[], dates=[]) -%}
    case
        {%- for column in timestamps %}
        when {{ column }} is not null and {{ as_timestamp(column) }} is null then '{{ column }}'
        {%- endfor %}
        {%- for column in dates %}
        when {{ column }} is not null and {{ as_date(column) }} is null then '{{ column }}'
        {%- endfor %}
        {%- for column in amounts %}
        when {{ column }} is not null
            and coalesce({{ dbt.safe_cast(column, 'decimal(38, 16)') }} <> {{ as_amount(column) }}, true) then '{{ column }}'
        {%- endfor %}
    end
{%- endmacro -%}

{#- The time of the delivery a row came with: when it was exported, or else when it was first seen. -#}
{%- macro version_at() -%} {{ as_timestamp('coalesce(exported_at, received_at)') }} {%- endmacro -%}

{#- A hash of what a row says, whichever file and line it stood in: the last tie-break between versions. -#}
{%- macro row_hash(columns) -%}
    md5({% for column in columns %}coalesce({{ column }}, '∅'){% if not loop.last %} || '|' || {% endif %}{% endfor %})
{%- endmacro -%}

{#- The first 16 hexadecimal digits of the SHA-256 of the parts. -#}
{%- macro stable_id(parts) -%}
    substring({{ sha256_hex(parts | join(" || '|' || ")) }}, 1, 16)
{%- endmacro -%}
