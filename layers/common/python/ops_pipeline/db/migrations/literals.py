"""Statements with their values as literals, for where placeholders cannot be used."""

from pg8000.native import literal

from ops_pipeline.db.migrations.lexer import placeholders


def with_literals(sql: str, **values: object) -> str:
    """The statement with each `:name` replaced by its value as a constant."""
    pieces, copied = [], 0
    for name, begin, end in placeholders(sql):
        pieces += [sql[copied:begin], literal(values[name])]
        copied = end
    return "".join([*pieces, sql[copied:]])
