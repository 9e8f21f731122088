{#- What whoever looks after the source system can do about a rejected record, in `zh` or `en`. -#}
{%- macro reject_advice(code, language) -%}
{%- set advice = {
    'bad_structure': ('该行的列数与表头不符：请检查引号和分隔符后重新导出。', 'The record has other fields than the header: check its quotes and separators, and export it again.'),
    'missing_id': ('缺少主键：请在系统中补全编号后重新导出。', 'It has no number of its own: give it one in the system, and export it again.'),
    'id_mangled': ('编号已被表格软件改写为科学计数法：请从系统直接导出，勿经 Excel 另存。', 'A spreadsheet has turned the number into scientific notation: export it from the system itself, without saving it from a spreadsheet.'),
    'missing_customer': ('未填写客户：请在系统中为该记录指定客户。', 'It names no customer: name one in the system.'),
    'orphan_customer': ('所属客户不在客户导出文件中：请导出该客户，或更正客户编号。', 'The customer it names was never delivered: export that customer too, or correct the number.'),
    'bad_date': ('日期无法识别：请更正日期或其格式。', 'The date cannot be read: correct it, or the way it is written.'),
    'bad_amount': ('金额或数量无法识别，或与单据类型矛盾（销售单金额为负）：请更正该数值或类型。', 'The amount or quantity cannot be read, or is below zero on what is called a sale: correct it, or what the record is called.'),
    'bad_score': ('评分无法识别：请更正该分值。', 'The score cannot be read: correct it.')
} -%}
case {{ code }}
    {%- for each, sentences in advice.items() %}
    when '{{ each }}' then {{ literal(sentences[0 if language == 'zh' else 1]) }}
    {%- endfor %}
end
{%- endmacro -%}

{#- What may be seen of a value by whoever reads a release: its first sign, and nothing of one of three signs or fewer. -#}
{%- macro masked(value) -%}
    case when length({{ value }}) > 3 then substring({{ value }}, 1, 1) else '' end || case when {{ value }} is not null then '…' end
{%- endmacro -%}
