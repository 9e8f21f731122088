{#- Tonight: the one day whose truth this night publishes. -#}
{%- macro tonight() -%}
    (select max(as_of) from {{ source('run', 'as_of_dates') }} where purpose = 'tonight')
{%- endmacro -%}
