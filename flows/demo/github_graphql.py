"""As much of GraphQL as it takes to answer queries on discussions: selections, arguments, inline fragments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Connection", "GraphQLError", "execute"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\.\.\.|\$?\w+|[{}():!\[\]=]')


class GraphQLError(Exception):
    """A query that asks for what is not there; the message is GitHub's."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A list that is read page by page, its nodes in order."""

    nodes: list[dict[str, Any]]

    def page(self, first: int, after: str | None) -> dict[str, Any]:
        """Return a page as GitHub shapes it; a cursor is the position of the last node before it."""
        start = int(after) if after else 0
        end = start + first
        return {
            "__typename": "Connection",
            "totalCount": len(self.nodes),
            "nodes": self.nodes[start:end],
            "pageInfo": {
                "hasNextPage": end < len(self.nodes),
                "hasPreviousPage": start > 0,
                "startCursor": str(start),
                "endCursor": str(min(end, len(self.nodes))),
            },
        }


@dataclass(slots=True)
class _Field:
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    selection: list[_Field] | None = None
    #: of an inline fragment: the type that it is for
    on: str | None = None


def execute(query: str, variables: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a query from nested dicts; a callable in them is called with its field's arguments.

    :raises GraphQLError: a field is not there
    """
    return _select(_Parser(query, variables).document(), root)


def _select(selection: list[_Field], value: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for wanted in selection:
        if wanted.on is not None:
            if value.get("__typename") == wanted.on:
                result |= _select(wanted.selection or [], value)
            continue
        if wanted.name not in value:
            raise GraphQLError(f"Field '{wanted.name}' doesn't exist on type '{value.get('__typename', 'Query')}'")
        result[wanted.name] = _resolve(value[wanted.name], wanted)
    return result


def _resolve(value: object, wanted: _Field) -> object:
    if callable(value):
        value = value(**wanted.arguments)
    if isinstance(value, Connection):
        value = value.page(int(wanted.arguments.get("first", 100)), wanted.arguments.get("after"))
    if wanted.selection is None or value is None:
        return value
    if isinstance(value, list):
        return [_select(wanted.selection, item) for item in value]
    assert isinstance(value, Mapping)
    return _select(wanted.selection, value)


class _Parser:
    def __init__(self, query: str, variables: Mapping[str, Any]) -> None:
        self._tokens: list[str] = _TOKEN.findall(query)
        self._position = 0
        self._variables = variables

    def document(self) -> list[_Field]:
        while self._peek() != "{":
            self._next()
        return self._selection()

    def _peek(self) -> str:
        return self._tokens[self._position]

    def _next(self) -> str:
        self._position += 1
        return self._tokens[self._position - 1]

    def _selection(self) -> list[_Field]:
        self._next()
        fields: list[_Field] = []
        while self._peek() != "}":
            fields.append(self._field())
        self._next()
        return fields

    def _field(self) -> _Field:
        name = self._next()
        if name == "...":
            self._next()
            on = self._next()
            return _Field("...", selection=self._selection(), on=on)
        wanted = _Field(name)
        if self._peek() == "(":
            self._next()
            wanted.arguments = self._pairs(")")
        if self._peek() == "{":
            wanted.selection = self._selection()
        return wanted

    def _pairs(self, end: str) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        while self._peek() != end:
            key = self._next()
            self._next()
            pairs[key] = self._value()
        self._next()
        return pairs

    def _value(self) -> object:
        word = self._next()
        if word == "{":
            return self._pairs("}")
        if word.startswith("$"):
            return self._variables.get(word[1:])
        if word.startswith('"'):
            return word[1:-1]
        return int(word) if word.isdigit() else word
