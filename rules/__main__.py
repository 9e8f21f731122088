"""``python -m rules`` prints the JSON Schema that ``config/business.schema.json`` keeps."""

from rules.schema import schema_text

print(schema_text(), end="")
