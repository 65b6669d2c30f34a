"""Small sites, each with one thing that crawlers are known to get wrong, and the pages that must become documents.

sites.json: `pages` maps a path to [status, headers, body]; in a body, BASE is the address of the site, HTTPS the same by
another scheme, `hex:` begins bytes and GZ what is packed. `expected` maps each path that must become a document to a word
that must be in it; `unwanted` must not become documents.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.sources.docs.conftest import Crawl
from tests.servers.docs_site import DocsSite, html

SITES = json.loads((Path(__file__).parents[3] / "fixtures" / "docs" / "sites.json").read_text(encoding="utf-8"))


def content(site: DocsSite, body: str) -> bytes:
    if body.startswith("hex:"):
        return bytes.fromhex(body[4:])
    text = body.replace("BASE", site.url("")).replace("HTTPS", site.url("").replace("http:", "https:"))
    return gzip.compress(text[2:].encode()) if text.startswith("GZ") else text.encode()


@pytest.mark.parametrize("reported", SITES, ids=lambda site: site["note"])
def test_every_page_of_a_site_is_read_once(reported: dict[str, Any], site: DocsSite, crawl: Crawl) -> None:
    for path, (status, headers, body) in reported["pages"].items():
        others = {name: value for name, value in headers.items() if name != "content-type"}
        kind = headers.get("content-type", "text/html; charset=utf-8")
        site.put(path, content(site, body), status=status, content_type=kind, headers=others)
    listed = {"sitemap": site.url(reported["sitemap"])} if "sitemap" in reported else {}

    outcome = crawl(start=reported["start"], **listed)

    read = {path: change.document.text.lower() for path, change in outcome.changed.items()}
    missing = [path for path, word in reported["expected"].items() if word not in read.get(path, "")]
    assert missing == [], (outcome.failed, outcome.noticed, sorted(read))
    assert [path for path in reported["unwanted"] if path in read] == []


@pytest.mark.parametrize("spellings", [("?t=A_(b)", "?t=A_%28b%29"), ("a", "a/")])
def test_a_page_with_two_addresses_is_one_document(spellings: tuple[str, str], site: DocsSite, crawl: Crawl) -> None:
    for spelling in spellings:
        site.put(f"/d/{spelling}", html("Round"))
    site.put("/d/", html("Home", links=list(spellings)))

    assert len(crawl(start="/d/").changed) == 2
