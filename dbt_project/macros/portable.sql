{#- Everything that DuckDB and Spark spell differently stands here, one dispatched macro each. -#}

{%- macro duckdb__safe_cast(field, type) -%} try_cast({{ field }} as {{ type }}) {%- endmacro -%}
{%- macro spark__safe_cast(field, type) -%} try_cast({{ field }} as {{ type }}) {%- endmacro -%}

{#- The SHA-256 of a text, as 64 hexadecimal digits. -#}
{%- macro sha256_hex(text) -%} {{ return(adapter.dispatch('sha256_hex')(text)) }} {%- endmacro -%}
{%- macro duckdb__sha256_hex(text) -%} sha256({{ text }}) {%- endmacro -%}
{%- macro spark__sha256_hex(text) -%} sha2({{ text }}, 256) {%- endmacro -%}

{#- The calendar day of a UTC timestamp in the business time zone. -#}
{%- macro business_date(utc_timestamp) -%} {{ return(adapter.dispatch('business_date')(utc_timestamp)) }} {%- endmacro -%}
{%- macro duckdb__business_date(utc_timestamp) -%}
    cast(timezone('{{ var("time_zone") }}', timezone('UTC', {{ utc_timestamp }})) as date)
{%- endmacro -%}
{%- macro spark__business_date(utc_timestamp) -%}
    to_date(from_utc_timestamp({{ utc_timestamp }}, '{{ var("time_zone") }}'))
{%- endmacro -%}

{#- The UTC timestamp at which a calendar day of the business time zone is over. -#}
{%- macro day_end(day) -%} {{ return(adapter.dispatch('day_end')(day)) }} {%- endmacro -%}
{%- macro duckdb__day_end(day) -%}
    timezone('UTC', timezone('{{ var("time_zone") }}', cast({{ day }} + cast(1 as integer) as timestamp)))
{%- endmacro -%}
{%- macro spark__day_end(day) -%}
    to_utc_timestamp(cast(date_add({{ day }}, 1) as timestamp), '{{ var("time_zone") }}')
{%- endmacro -%}

{#- A date some whole days later; the number may be a column. -#}
{%- macro add_days(day, number) -%} {{ return(adapter.dispatch('add_days')(day, number)) }} {%- endmacro -%}
{%- macro duckdb__add_days(day, number) -%} ({{ day }} + cast({{ number }} as integer)) {%- endmacro -%}
{%- macro spark__add_days(day, number) -%} date_add({{ day }}, cast({{ number }} as int)) {%- endmacro -%}

{#- Whole days from one date to another. -#}
{%- macro days_between(earlier, later) -%} {{ dbt.datediff(earlier, later, 'day') }} {%- endmacro -%}

{#- One row per day, both ends included; `first_day` and `last_day` are columns of `relation`. -#}
{%- macro day_series(relation, first_day, last_day) -%} {{ return(adapter.dispatch('day_series')(relation, first_day, last_day)) }} {%- endmacro -%}
{%- macro duckdb__day_series(relation, first_day, last_day) -%}
    select cast(unnest(generate_series(cast({{ first_day }} as timestamp), cast({{ last_day }} as timestamp), interval 1 day)) as date) as day
    from {{ relation }}
{%- endmacro -%}
{%- macro spark__day_series(relation, first_day, last_day) -%}
    select explode(sequence({{ first_day }}, {{ last_day }}, interval 1 day)) as day
    from {{ relation }}
{%- endmacro -%}

{#- The median of all values from the partition's first row to the current one. -#}
{%- macro running_median(value, partition_by, order_by) -%} {{ return(adapter.dispatch('running_median')(value, partition_by, order_by)) }} {%- endmacro -%}
{%- macro duckdb__running_median(value, partition_by, order_by) -%}
    median({{ value }}) over (partition by {{ partition_by }} order by {{ order_by }} rows between unbounded preceding and current row)
{%- endmacro -%}
{%- macro spark__running_median(value, partition_by, order_by) -%}
    {%- set values = 'array_sort(collect_list(' ~ value ~ ') over (partition by ' ~ partition_by ~ ' order by ' ~ order_by ~ ' rows between unbounded preceding and current row))' -%}
    case
        when size({{ values }}) > 0
            then (element_at({{ values }}, cast(floor((size({{ values }}) + 1) / 2) as int)) + element_at({{ values }}, cast(floor(size({{ values }}) / 2) as int) + 1)) / 2.0
    end
{%- endmacro -%}

{#- A double rounded to nine significant digits: sums on several threads differ in the last bits, and the same input must give the same bytes. -#}
{%- macro significant(value) -%} {{ return(adapter.dispatch('significant')(value)) }} {%- endmacro -%}
{#-
    By arithmetic where it is exact, for spelling a number and reading it again takes seven times as long: powers of ten are doubles
    up to 10^22, so that the quotient is the double nearest to the rounded number.
-#}
{%- macro duckdb__significant(value) -%}
    {%- set number = 'cast(' ~ value ~ ' as double)' -%}
    case
        when abs({{ number }}) between 1e-14 and 1e30 then round({{ number }}, cast(8 - floor(log10(abs({{ number }}))) as integer))
        when {{ number }} = 0 then 0
        else cast(printf('%.8e', {{ number }}) as double)
    end
{%- endmacro -%}
{%- macro spark__significant(value) -%} cast(format_string('%.8e', cast({{ value }} as double)) as double) {%- endmacro -%}

{#-
    The sum of doubles, to so many decimal places. As decimals, for a sum of doubles depends on the threads in its last bits: of
    numbers that have nine digits each it often ends in a 5 that is to be rounded, and of a million sums one does anyway.
-#}
{%- macro exact_sum(value, places=9) -%} cast(sum(cast({{ value }} as decimal({{ 19 + places }}, {{ places }}))) as double) {%- endmacro -%}

{#- What tells a row with these values from others; summed up, many rows from others. -#}
{%- macro fingerprint(columns) -%} {{ return(adapter.dispatch('fingerprint')(columns)) }} {%- endmacro -%}
{%- macro duckdb__fingerprint(columns) -%} cast(hash({{ columns | join(', ') }}) as decimal(38, 0)) {%- endmacro -%}
{%- macro spark__fingerprint(columns) -%} cast(xxhash64({{ columns | join(', ') }}) as decimal(38, 0)) {%- endmacro -%}

{#- A number in a sentence: so many decimals at most, no trailing zeros. -#}
{%- macro spoken(value, decimals) -%} {{ return(adapter.dispatch('spoken')(value, decimals)) }} {%- endmacro -%}
{%- macro duckdb__spoken(value, decimals) -%} printf('%.{{ decimals }}f', cast({{ value }} as double)) {%- endmacro -%}
{%- macro spark__spoken(value, decimals) -%} format_string('%.{{ decimals }}f', cast({{ value }} as double)) {%- endmacro -%}

{#- A text from business.yml as a SQL literal. -#}
{%- macro literal(text) -%} '{{ text | replace("'", "''") }}' {%- endmacro -%}

{#- Texts from business.yml as a list of SQL literals; an empty list holds nothing, and is no error. -#}
{%- macro literals(texts) -%}
    {%- for text in texts -%} {{ literal(text) }}{% if not loop.last %}, {% endif %} {%- else -%} null {%- endfor -%}
{%- endmacro -%}

{#- A text's place between 0 and 1, the same on every night and every machine. -#}
{%- macro hash_fraction(text) -%} {{ return(adapter.dispatch('hash_fraction')(text)) }} {%- endmacro -%}
{%- macro duckdb__hash_fraction(text) -%} (cast('0x' || substring(sha256({{ text }}), 1, 8) as bigint) / 4294967296.0) {%- endmacro -%}
{%- macro spark__hash_fraction(text) -%} (cast(conv(substring(sha2({{ text }}, 256), 1, 8), 16, 10) as bigint) / 4294967296.0) {%- endmacro -%}

{#- A text out of a JSON object, by a key without quotes. -#}
{%- macro json_text(json, key) -%} {{ return(adapter.dispatch('json_text')(json, key)) }} {%- endmacro -%}
{%- macro duckdb__json_text(json, key) -%} json_extract_string({{ json }}, '$."{{ key }}"') {%- endmacro -%}
{%- macro spark__json_text(json, key) -%} get_json_object({{ json }}, "$['{{ key }}']") {%- endmacro -%}

{#- One row per part of a text, `part`, with some columns of the row it stands in; `separators` is a regular expression. -#}
{%- macro split_rows(relation, columns, text, separators) -%} {{ return(adapter.dispatch('split_rows')(relation, columns, text, separators)) }} {%- endmacro -%}
{%- macro duckdb__split_rows(relation, columns, text, separators) -%}
    select
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        unnest(regexp_split_to_array({{ text }}, '{{ separators }}')) as part
    from {{ relation }}
{%- endmacro -%}
{%- macro spark__split_rows(relation, columns, text, separators) -%}
    select
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        explode(split({{ text }}, '{{ separators }}')) as part
    from {{ relation }}
{%- endmacro -%}
