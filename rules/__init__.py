"""The business rules: what a marketer may change without code.

Here belong the shape of ``config/business.yml``, its loading and validation, the metric catalogue and the
compiling of rules into variables and conditions that SQL models read. No threshold belongs here (it stands in
the YAML file), and nothing that opens a database, runs dbt or computes a metric.
"""

from rules.compiling import dbt_vars
from rules.errors import Problem, RulesError
from rules.expressions import ExpressionError, compile_expression
from rules.loading import keep, load
from rules.schema import Rules, json_schema

__all__ = [
    "ExpressionError",
    "Problem",
    "Rules",
    "RulesError",
    "compile_expression",
    "dbt_vars",
    "json_schema",
    "keep",
    "load",
]
