{#- Tonight: the one day whose truth this night publishes. -#}
{%- macro tonight() -%}
    (select max(as_of) from {{ source('run', 'as_of_dates') }} where purpose = 'tonight')
{%- endmacro -%}

{#-
    The day that a model with a part per as_of is computing now. Its materialization puts a date in the place of this text, one after
    the other; a unit test, and whoever runs the compiled SQL by hand, gives the day in run.snapshot_as_of.
-#}
{%- macro as_of_now() -%}
    (select max(as_of) from {{ source('run', 'snapshot_as_of') }})
{%- endmacro -%}
