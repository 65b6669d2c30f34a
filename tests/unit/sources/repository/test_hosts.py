"""The permalinks of each host."""

from __future__ import annotations

import pytest

from rag.sources.repository.hosts import host_of, web_address


@pytest.mark.parametrize(
    ("web", "file", "folder", "image"),
    [
        ("https://github.com/o/r", "blob/c0/a%20b.md", "tree/c0/docs", "raw/c0/x.png"),
        ("https://gitlab.com/g/s/r", "-/blob/c0/a%20b.md", "-/tree/c0/docs", "-/raw/c0/x.png"),
        ("https://bitbucket.org/o/r", "src/c0/a%20b.md", "src/c0/docs", "raw/c0/x.png"),
        ("https://codeberg.org/o/r", "src/commit/c0/a%20b.md", "src/commit/c0/docs", "raw/commit/c0/x.png"),
    ],
)
def test_permalinks_of_each_host(web: str, file: str, folder: str, image: str) -> None:
    host = host_of(web)
    assert host.link_file("a b.md", "c0") == f"{web}/{file}"
    assert host.link_folder("docs", "c0") == f"{web}/{folder}"
    assert host.link_image("x.png", "c0") == f"{web}/{image}"


def test_the_web_address_of_bitbucket_data_center_differs_from_its_clone_address() -> None:
    host = host_of("https://bitbucket.example.org/scm/KEY/name")
    assert host.link_file("a.md", "c0") == "https://bitbucket.example.org/projects/KEY/repos/name/browse/a.md?at=c0"


@pytest.mark.parametrize(
    ("url", "web"),
    [
        ("git@github.com:o/r.git", "https://github.com/o/r"),
        ("ssh://git@ssh.github.com:443/o/r.git", "https://github.com/o/r"),
        ("https://token@example.org:8443/o/r.git", "https://example.org:8443/o/r"),
        ("https://example.org:port/o/r.git", "https://example.org/o/r"),
        ("https://[example.org/o/r.git", None),
        ("file:///srv/r.git", None),
        ("/srv/r", None),
    ],
)
def test_the_web_address_of_a_clone(url: str, web: str | None) -> None:
    assert web_address(url) == web
