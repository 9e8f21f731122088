{#- Typing with a round trip: what a type cannot hold exactly is an error of the record, never a rounded value. -#}

{%- macro as_amount(column) -%} {{ dbt.safe_cast(column, 'decimal(18, 4)') }} {%- endmacro -%}

{#- A product of two amounts or rates: DuckDB multiplies two decimals of 18 digits in 18 digits, too few for a million at a rate of 8 decimals. -#}
{%- macro product(left, right) -%} cast({{ left }} as decimal(28, 4)) * {{ right }} {%- endmacro -%}

{%- macro as_timestamp(column) -%}
    {{ dbt.safe_cast("replace(replace(" ~ column ~ ", 'T', ' '), 'Z', '')", 'timestamp') }}
{%- endmacro -%}

{%- macro as_date(column) -%} {{ dbt.safe_cast(column, 'date') }} {%- endmacro -%}

{%- macro as_boolean(column) -%}
    {#- No list of words: of one this long DuckDB makes a join. -#}
    case lower({{ column }})
        {%- for word in ['true', '1', 'yes', 'y', 't'] %}
        when '{{ word }}' then true
        {%- endfor %}
        {%- for word in ['false', '0', 'no', 'n', 'f'] %}
        when '{{ word }}' then false
        {%- endfor %}
    end
{%- endmacro -%}

{#- A number of eight decimals at most, as exchange rates are written. -#}
{%- macro as_rate(column) -%} {{ dbt.safe_cast(column, 'decimal(18, 8)') }} {%- endmacro -%}

{%- macro is_inexact(column) -%}
    coalesce({{ dbt.safe_cast(column, 'decimal(38, 16)') }} <> {{ as_amount(column) }}, true)
{%- endmacro -%}

{#-
    Three columns on what a row's types cannot hold: the first such column, the code that its record is rejected with, and its
    text. All are NULL when every listed column survives its type.
-#}
{%- macro cast_errors(timestamps=[], dates=[], amounts=[], integers=[], rates=[], scores=[]) -%}
    {%- set checks = [] -%}
    {%- for column in timestamps -%} {%- do checks.append((column, 'bad_date', as_timestamp(column) ~ ' is null')) -%} {%- endfor -%}
    {%- for column in dates -%} {%- do checks.append((column, 'bad_date', as_date(column) ~ ' is null')) -%} {%- endfor -%}
    {%- for column in amounts -%} {%- do checks.append((column, 'bad_amount', is_inexact(column))) -%} {%- endfor -%}
    {%- for column in integers -%} {%- do checks.append((column, 'bad_amount', dbt.safe_cast(column, 'integer') ~ ' is null')) -%} {%- endfor -%}
    {%- for column in rates -%} {%- do checks.append((column, 'bad_amount', as_rate(column) ~ ' is null')) -%} {%- endfor -%}
    {%- for column in scores -%} {%- do checks.append((column, 'bad_score', is_inexact(column))) -%} {%- endfor -%}
    {%- for output in ['cast_error', 'cast_error_code', 'cast_error_value'] -%}
        {%- if not loop.first %}
        {% endif -%}
        {%- if checks -%}
        case
            {%- for column, code, fails in checks %}
            when {{ column }} is not null and {{ fails }}
                then {% if output == 'cast_error' %}'{{ column | replace('"', '') }}'{% elif output == 'cast_error_code' %}'{{ code }}'{% else %}{{ column }}{% endif %}
            {%- endfor %}
        end as {{ output }}
        {%- else -%}
        cast(null as {{ dbt.type_string() }}) as {{ output }}
        {%- endif -%}
        {%- if not loop.last -%},{%- endif -%}
    {%- endfor -%}
{%- endmacro -%}

{#- A hash of what a row says, whichever file and line it stood in: the last tie-break between versions. -#}
{%- macro row_hash(columns) -%}
    md5({% for column in columns %}coalesce({{ column }}, '∅'){% if not loop.last %} || '|' || {% endif %}{% endfor %})
{%- endmacro -%}

{#- The hash of a raw order line; what a line of a document is known by where it has no number. -#}
{%- macro line_hash() -%}
    {{ row_hash(['product_id', 'description', 'category', 'quantity', 'unit_price', 'net_amount', 'cost_amount']) }}
{%- endmacro -%}

{#- The first 16 hexadecimal digits of the SHA-256 of the parts. -#}
{%- macro stable_id(parts) -%}
    substring({{ sha256_hex(parts | join(" || '|' || ")) }}, 1, 16)
{%- endmacro -%}

{#-
    The HMAC-SHA-256 of a text under the secret of the home, as 64 hexadecimal digits: spelled out by its definition (RFC 2104)
    over the pads of run.identifier_key, for the engines have no function for it.
-#}
{%- macro hmac_sha256_hex(text) -%}
    {%- set inner = sha256_hex('unhex(' ~ hmac_pad('inner') ~ ' || hex(' ~ text ~ '))') -%}
    {{ sha256_hex('unhex(' ~ hmac_pad('outer') ~ ' || ' ~ inner ~ ')') }}
{%- endmacro -%}

{%- macro hmac_pad(which) -%} (select max({{ which }}_pad) from {{ source('run', 'identifier_key') }}) {%- endmacro -%}
