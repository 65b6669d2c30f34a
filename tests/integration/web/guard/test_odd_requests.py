"""No request whatever is an error of the server; `python -m bench requests` sends more of them."""

from __future__ import annotations

import random
from urllib.parse import urlsplit

from tests.odd_requests import FAILED, odd_request, status_of


def test_no_request_is_an_error_of_the_server(address: str) -> None:
    place, chance = urlsplit(address), random.Random(17)
    assert place.port
    requests = [odd_request(chance, place.netloc) for _ in range(400)]
    statuses = [status_of(request, place.port) for request in requests]
    assert [request for request, status in zip(requests, statuses, strict=True) if status in FAILED] == []
    assert statuses.count("200") > 40, "most requests get past the first check"
