"""What pydantic refuses, said as a person would: "'soon' is not a date (YYYY-MM-DD)"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["refusal"]

_LONGEST_INPUT = 60

# What a value is not, by pydantic's type of error.
_IS_NOT = {
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of reasonable size",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "date_parsing": "a date (YYYY-MM-DD)",
    "date_type": "a date (YYYY-MM-DD)",
    "date_from_datetime_parsing": "a date (YYYY-MM-DD)",
    "date_from_datetime_inexact": "a date (YYYY-MM-DD)",
    "uuid_parsing": "an id",
    "uuid_type": "an id",
}
# What it must be; the names in braces are pydantic's.
_MUST = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "string_too_long": "must have at most {max_length:,} characters",
    "too_long": "must have at most {max_length} items",
    "string_type": "must be a text",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "missing": "is missing",
}


def refusal(problem: Mapping[str, Any]) -> str:
    """Return what is wrong with a value, without its name and a full stop.

    :param problem: an item of `ValidationError.errors()`
    """
    kind: str = problem["type"]
    if kind in _IS_NOT:
        return f"{_shown(problem['input'])} is not {_IS_NOT[kind]}"
    if kind == "string_too_short" and problem["ctx"]["min_length"] == 1:
        return "must not be empty"
    if kind == "string_pattern_mismatch":
        return f"{_shown(problem['input'])} does not match the pattern {problem['ctx']['pattern']}"
    if kind in _MUST:
        return _MUST[kind].format(**problem.get("ctx", {}))
    said = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    return said.replace("Input should be ", "must be ", 1)


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_INPUT else f"{text[:_LONGEST_INPUT]}…"
