"""The OpenAPI document, compared with what the server does.

`SCHEMA_CASES=2000` sends so many cases to each endpoint, which takes minutes; the limits of time of a test are then in
the way: `SCHEMA_CASES=2000 pytest -o timeout=0 -o faulthandler_timeout=0 tests/integration/web/test_openapi.py`.
"""

from __future__ import annotations

import os
from typing import Any

import httpx
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import one_of, sampled_from
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CASES = int(os.environ.get("SCHEMA_CASES", "6"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ENDPOINTS = [
    ("POST", "/api/v1/ask"),
    ("GET", "/api/v1/search"),
    ("POST", "/api/v1/search"),
    ("GET", "/api/v1/similar"),
    ("POST", "/api/v1/verify"),
    ("GET", "/api/v1/documents"),
    ("GET", "/api/v1/sources"),
    ("GET", "/api/v1/answers/{id}"),
    ("POST", "/api/v1/feedback"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
]


@pytest.fixture(scope="module")
def document(site: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{site}/openapi.json", timeout=60).json()
    return found


def test_the_document_describes_every_endpoint(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    described = [(method.upper(), path) for path, operations in document["paths"].items() for method in operations]
    assert sorted(described) == sorted(ENDPOINTS)


def test_every_endpoint_describes_its_errors(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            assert {"200", "400", "401", "403", "413", "421", "429", "503"} <= operation["responses"].keys()
            assert "422" not in operation["responses"]


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


# The server runs in this process and draws random numbers of its own meanwhile, which Hypothesis takes for the test's.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_the_server_does_what_the_document_says(site: str, document: dict[str, Any], method: str, path: str) -> None:
    operation = schemathesis.openapi.from_dict(document)[path][method]
    cases = one_of(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)
    replies = sampled_from(sorted(document["paths"][path][method.lower()]["responses"]["200"]["content"]))

    @settings(
        max_examples=CASES, deadline=None, database=None, derandomize=CASES < 100, suppress_health_check=HealthCheck
    )
    @given(case=cases, accept=replies)
    def send(case: schemathesis.Case, accept: str) -> None:
        case.call_and_validate(base_url=site, checks=CHECKS, timeout=60, headers={"Accept": accept})

    send()
