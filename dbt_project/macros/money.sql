{#- An amount times a rate, to four decimals. Most amounts are in base currency already, and need no long multiplication. -#}
{%- macro converted(amount, rate) -%}
case
    when {{ rate }} = 1 then cast({{ amount }} as decimal(18, 4))
    else cast({{ product(amount, rate) }} as decimal(18, 4))
end
{%- endmacro -%}

{#-
    What a line says its goods cost, with a sign: goods that come back give their cost back, whatever sign it is written with. In a
    sale a line above zero keeps the sign it has.
-#}
{%- macro cost_of_line(kind, net_amount='net_amount', cost_amount='cost_amount') -%}
case
    when coalesce({{ net_amount }}, 0) < 0 then -abs({{ cost_amount }})
    when {{ kind }} = 'refund' and coalesce({{ net_amount }}, 0) > 0 then abs({{ cost_amount }})
    when {{ kind }} = 'refund' then -abs({{ cost_amount }})
    else {{ cost_amount }}
end
{%- endmacro -%}

{#- Where a margin comes from, from the firmest knowledge to the weakest: a document is known no better than the weakest of its lines. -#}
{%- macro margin_sources() -%} {{ return(['cost', 'product_cost', 'category_rate', 'default_rate']) }} {%- endmacro -%}

{#- The number of a source of margin in that order, and back. -#}
{%- macro margin_rank(source) -%}
case {{ source }}{% for name in margin_sources() %} when '{{ name }}' then {{ loop.index }}{% endfor %} end
{%- endmacro -%}
{%- macro margin_of_rank(rank) -%}
case {{ rank }}{% for name in margin_sources() %} when {{ loop.index }} then '{{ name }}'{% endfor %} end
{%- endmacro -%}

{#- Fewer lines with a known cost than these tell nothing of the margin of their category. -#}
{%- macro fewest_lines_with_cost() -%} 20 {%- endmacro -%}

{#- Of so many categories, those with the most buyers, it is asked which are bought together; fewer buyers of both tell nothing. -#}
{%- macro most_paired_categories() -%} 200 {%- endmacro -%}
{%- macro fewest_common_buyers() -%} 5 {%- endmacro -%}

{#- A tier that held fewer customers than these a year ago does not show how many of its customers are lost in a year. -#}
{%- macro fewest_customers_of_tier() -%} 20 {%- endmacro -%}
