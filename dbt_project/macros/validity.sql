{#- Whether the business counts documents in this status; an unknown status does not count. -#}
{%- macro is_counted(status) -%}
    coalesce({{ status }} in ({% for counted in var('valid_order_statuses') %}{{ literal(counted) }}{% if not loop.last %}, {% endif %}{% endfor %}), false)
{%- endmacro -%}
