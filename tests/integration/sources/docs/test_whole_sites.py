"""No page of a site is lost in silence: each is read, or the report says why it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.errors import SourceError
from tests.integration.sources.docs.conftest import FAST, Crawl
from tests.servers.docs_site import DocsSite, Reply, html

CANONICAL = '<link rel="canonical" href="{}">'
PLAIN = {"content_type": "text/plain"}


@pytest.mark.parametrize("canonical", ["index.html", "./", "/docs/index.html#top", "?utm_source=mail"])
def test_pages_with_texts_of_their_own_are_kept_whatever_they_call_canonical(
    site: DocsSite, crawl: Crawl, canonical: str
) -> None:
    head = CANONICAL.format(canonical)
    site.put("/docs/index.html", html("Start", links=["install.html", "backup.html"], head=head))
    site.put("/docs/install.html", html("Install", "Unpack the archive.", head=head))
    site.put("/docs/backup.html", html("Backup", "Stop the server first.", head=head))

    outcome = crawl()

    assert {"/docs/install.html", "/docs/backup.html"} < set(outcome.changed)
    assert outcome.failed == {}
    assert not crawl().removed


def test_the_report_names_the_address_that_pages_wrongly_call_canonical(site: DocsSite, crawl: Crawl) -> None:
    head = CANONICAL.format("index.html")
    site.put("/docs/index.html", html("Start", links=["a.html", "b.html"]))
    site.put("/docs/a.html", html("A", "Unpack the archive.", head=head))
    site.put("/docs/b.html", html("B", "Stop the server first.", head=head))

    assert crawl().noticed == [
        f"2 pages name {site.url('/docs/index.html')} as canonical, but with another text; kept as documents."
    ]


def test_pages_of_a_list_that_name_its_first_page_are_kept(site: DocsSite, crawl: Crawl) -> None:
    head = CANONICAL.format("list")
    site.put("/docs/index.html", html("Start", links=["list", "list?page=2", "list?view=print"]))
    site.put("/docs/list", html("Options", "The option --alpha begins.", head=head))
    site.put("/docs/list?page=2", html("Options", "The option --omega ends.", head=head))
    site.put("/docs/list?view=print", html("Options", "The option --alpha begins.<p>Page 1.", head=head))

    assert set(crawl().changed) == {"/docs/index.html", "/docs/list", "/docs/list?page=2"}


def test_an_unchanged_canonical_page_is_compared_by_its_document(site: DocsSite, crawl: Crawl) -> None:
    head = CANONICAL.format("a.html")
    site.put("/docs/index.html", html("Start", links=["a.html"]))
    site.put("/docs/a.html", html("A", "Unpack the archive, then start it."))
    crawl()
    site.put("/docs/index.html", html("Start", "More.", links=["a.html", "b.html", "print.html"]))
    site.put("/docs/b.html", html("B", "Stop the server first.", head=head))
    site.put("/docs/print.html", html("A", "Unpack the archive, then start it.", head=head))

    outcome = crawl()

    assert (set(outcome.changed), outcome.unchanged) == ({"/docs/index.html", "/docs/b.html"}, ["/docs/a.html"])


def test_pages_named_like_files_are_read(site: DocsSite, crawl: Crawl) -> None:
    names = "system.xml next.js nats.go app.toml array.map java.util.zip setup.py main.rs style.css a.txt x.tar y.h"
    site.put("/docs/index.html", html("Start", links=names.split()))
    for name in names.split():
        site.put(f"/docs/{name}", html(name, "A page for people."))

    assert set(crawl().changed) == {"/docs/index.html", *(f"/docs/{name}" for name in names.split())}


def test_a_file_is_no_document_and_no_failure(site: DocsSite, crawl: Crawl) -> None:
    files = {
        "feed.xml": "application/xml",
        "app.js": "text/javascript",
        "data.json": "application/json",
        "notes.txt": "text/plain",
        "tool.bin": "application/octet-stream",
        "untyped.py": None,
    }
    site.put("/docs/index.html", html("Start", links=list(files)))
    for name, content_type in files.items():
        site.put(f"/docs/{name}", "import this, and that, and all the rest of it", content_type=content_type)

    outcome = crawl()

    assert set(outcome.changed) == {"/docs/index.html"}
    assert not outcome.failed
    assert {f"/docs/{name}" for name in files} < set(site.requested_pages())


def test_the_body_of_a_file_is_not_downloaded(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["data.zip"]))
    site.put("/docs/data.zip", site.drip(b"a" * 1000, 0.05), content_type="application/zip")

    assert not crawl().failed


def test_after_ten_files_of_a_kind_further_ones_are_not_requested(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=[f"{number}.json" for number in range(30)]))
    for number in range(30):
        site.put(f"/docs/{number}.json", "{}", content_type="application/json")

    crawl()

    assert sum(path.endswith(".json") for path in site.requested_pages()) == 10


def test_many_pages_named_like_files_are_all_read_once_one_of_them_is_a_page(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=[f"p{number}.js" for number in range(30)]))
    for number in range(30):
        site.put(f"/docs/p{number}.js", html(f"Package {number}"))

    assert len(crawl().changed) == 31
    assert len(crawl().unchanged) == 31


@pytest.mark.parametrize("body", ["<p>All about keys.</p>", "", "<div id=app></div>"])
def test_a_refresh_for_readers_without_javascript_moves_only_a_page_without_text(
    site: DocsSite, crawl: Crawl, body: str
) -> None:
    refresh = '<noscript><meta http-equiv="refresh" content="0; url=/docs/plain.html"></noscript>'
    site.put("/docs/index.html", f"<html><head><title>Keys</title>{refresh}</head><body>{body}</body></html>")
    site.put("/docs/plain.html", html("Plain", "Without scripts."))

    assert set(crawl().changed) == ({"/docs/index.html"} if "keys" in body else {"/docs/plain.html"})


@pytest.mark.parametrize(
    "head",
    [
        '<base href="/docs/deep/"><base target="_blank">',
        '<base target="_blank"><base href="/docs/deep/">',
        '<base href="/docs/deep/"><base href="/docs/other/">',
        '<noscript><base href="/docs/other/"></noscript><base href="/docs/deep/">',
        '<link rel="next" href="inner.html"><base href="/docs/deep/">',
    ],
)
def test_the_first_base_with_an_address_counts(site: DocsSite, crawl: Crawl, head: str) -> None:
    site.put("/docs/index.html", html("Start", links=["inner.html"], head=head))
    site.put("/docs/deep/inner.html", html("Inner"))

    assert "/docs/deep/inner.html" in crawl().changed


def test_a_base_in_the_body_counts(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", "<title>S</title><body><p>Text.</p><a href=inner.html>i</a><base href=/docs/deep/>")
    site.put("/docs/deep/inner.html", html("Inner"))

    assert "/docs/deep/inner.html" in crawl().changed


def test_a_query_is_asked_for_as_it_is_linked(site: DocsSite, crawl: Crawl) -> None:
    asked = {"?faq": "?faq", "?faq=": "?faq=", "?/install/first": "?/install/first", "?v2&lang=en": "?lang=en&v2"}
    site.put("/docs/", html("Start", links=list(asked)))
    for query in asked.values():
        site.put(f"/docs/{query}", html(f"Answers to {query}"))

    assert set(crawl(start="/docs/").changed) == {"/docs/", *(f"/docs/{query}" for query in asked.values())}


@pytest.mark.parametrize(
    ("tag", "is_read"),
    [
        ("googlebot: noindex", True),
        ("bingbot: none, noarchive", True),
        ("support-engine: noindex", False),
        ("none", False),
    ],
)
def test_a_robots_header_holds_for_the_crawler_that_it_names(
    site: DocsSite, crawl: Crawl, tag: str, is_read: bool
) -> None:
    site.put("/docs/index.html", html("Start", links=["a.html", "b.md"]))
    site.put("/docs/a.html", html("A"), headers={"X-Robots-Tag": tag})
    site.put("/docs/b.md", "# B", content_type="text/markdown", headers={"X-Robots-Tag": tag})

    assert ({"/docs/a.html", "/docs/b.md"} <= set(crawl().changed)) is is_read


def test_markdown_is_read_whatever_its_server_calls_it(site: DocsSite, crawl: Crawl) -> None:
    types = ["text/plain", "application/octet-stream", "text/x-markdown; charset=utf-8", None, "text/html"]
    site.put("/docs/index.html", html("Start", links=[f"guide{number}.md" for number in range(5)]))
    for number, content_type in enumerate(types):
        text = f"# Guide {number}\n\nTurn it on.\n\nSee [more](more{number}.md)."
        site.put(f"/docs/guide{number}.md", text, content_type=content_type)
        site.put(f"/docs/more{number}.md", f"# More {number}\n\nTurn it off.", content_type=content_type)

    outcome = crawl()

    assert len(outcome.changed) == 11
    assert outcome.text("/docs/guide0.md").startswith("# Guide 0\n\nTurn it on.")


@pytest.mark.parametrize("markdown", ["guide.md", "guide/index.md"])
def test_the_markdown_of_a_page_is_no_second_document(site: DocsSite, crawl: Crawl, markdown: str) -> None:
    page = "guide.html" if markdown == "guide.md" else "guide/"
    site.put("/docs/index.html", html("Start", links=[page, markdown]))
    site.put(f"/docs/{page}", html("Guide", "Turn it on."))
    site.put(f"/docs/{markdown}", "# Guide\n\nTurn it **on**.", **PLAIN)

    assert set(crawl().changed) == {"/docs/index.html", f"/docs/{page}"}


def test_a_missing_page_with_status_200_is_no_document(site: DocsSite, crawl: Crawl) -> None:
    titles = ["404", "Page not found", "404 - Not Found", "Not found"]
    site.put("/docs/index.html", html("Start", links=["0", "1", "2", "3", "http-404.html"]))
    for number, title in enumerate(titles):
        site.put(f"/docs/{number}", html(title, "Nothing is here. Try the search."))
    site.put("/docs/http-404.html", html("404 and other statuses", "A server answers 404 for a missing page. " * 20))

    assert set(crawl().changed) == {"/docs/index.html", "/docs/http-404.html"}


def test_a_page_that_wants_its_cookie_back_gets_it(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["a.html"]))
    site.put("/docs/a.html", html("A"))
    wall = Reply(status=302, headers={"Location": "/docs/a.html", "Set-Cookie": "seen=yes; Path=/; HttpOnly"})
    site.fail("/docs/a.html", wall)

    assert "/docs/a.html" in crawl().changed
    assert site.requests_for("/docs/a.html")[-1].headers["cookie"] == "seen=yes"


def test_a_wall_that_no_cookie_opens_is_a_failure(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["a.html"]))
    site.replies["/docs/a.html"] = Reply(status=302, headers={"Location": "/docs/a.html", "Set-Cookie": "seen=yes"})

    assert crawl().failed == {"/docs/a.html": "it redirects in a circle"}


# Sites that a script makes

SHELL = (
    '<!doctype html><html><head><title>App</title><script type="module" src="/app.js"></script></head>'
    '<body>{}<div id="root"></div></body></html>'
)
SHELLS = [
    SHELL.format(""),
    SHELL.format("<noscript>You need to enable JavaScript to run this app.</noscript>"),
    '<html><head><title>App</title></head><body><app-root>Loading…</app-root><script src="main.js"></script></body></html>',
    '<html><head><title>App</title></head><body><div id="app"><p>Please wait</p></div>'
    '<script>window.$docsify = {}</script><script src="//cdn.example/docsify"></script></body></html>',
]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_site_that_needs_javascript_fails_and_says_so(site: DocsSite, crawl: Crawl, shell: str) -> None:
    site.put("/docs/index.html", shell)

    outcome = crawl()

    assert not outcome.changed
    assert "1 need JavaScript to show their text" in outcome.failed["/docs/index.html"]
    assert "[[repository]]" in outcome.failed["/docs/index.html"]


@pytest.mark.parametrize(
    ("path", "listing"),
    [
        ("/docs/llms.txt", "# App\n\n- [Install](install.md): how"),
        ("/llms.txt", "# App\n\n- [Install](/docs/install.md)"),
        ("/sitemap.xml", "<urlset><url><loc>BASE/docs/install.md</loc></url></urlset>"),
        ("/docs/sitemap.xml", "<urlset><url><loc>BASE/docs/install.md</loc></url></urlset>"),
        ("/docs/_sidebar.md", "- [Install](install.md)"),
    ],
)
def test_the_lists_of_a_site_that_needs_javascript_are_followed(
    site: DocsSite, crawl: Crawl, path: str, listing: str
) -> None:
    site.put("/docs/index.html", SHELLS[0])
    content_type = "application/xml" if path.endswith("xml") else "text/plain"
    site.put(path, listing.replace("BASE", site.url("")), content_type=content_type)
    site.put("/docs/install.md", "# Install\n\nUnpack the archive.", **PLAIN)

    outcome = crawl()

    assert set(outcome.changed) == {"/docs/install.md"}
    assert "needs JavaScript" in outcome.noticed[0]
    assert site.url(path) in outcome.noticed[0]
    assert not outcome.failed
    assert crawl().unchanged == ["/docs/install.md"]


def test_a_sitemap_that_robots_txt_names_is_followed(site: DocsSite, crawl: Crawl) -> None:
    site.put("/robots.txt", f"Sitemap: {site.url('/maps/one.xml')}\n", **PLAIN)
    site.put("/docs/index.html", SHELLS[1])
    site.put("/maps/one.xml", f"<urlset><url><loc>{site.url('/docs/a')}</loc></url></urlset>", content_type="text/xml")
    site.put("/docs/a", html("A", "Rendered on the server."))

    assert set(crawl().changed) == {"/docs/a"}


@pytest.mark.parametrize("twin", ["/docs/index.html.md", "/docs/index.md", "/docs/README.md"])
def test_the_markdown_of_a_page_that_needs_javascript_is_read(site: DocsSite, crawl: Crawl, twin: str) -> None:
    site.put("/docs/index.html", SHELLS[3])
    site.put(twin, "# Welcome\n\nUnpack the archive. See [more](more.md).", **PLAIN)
    site.put("/docs/more.md", "# More\n\nStart it.", **PLAIN)

    outcome = crawl()

    assert "Unpack the archive." in outcome.text("/docs/index.html")
    assert "/docs/more.md" in outcome.changed


def test_a_short_page_with_a_script_is_no_shell(site: DocsSite, crawl: Crawl) -> None:
    site.put(
        "/docs/index.html", html("Keys", "A short page.").replace("</body>", '<script src="a.js"></script></body>')
    )

    assert set(crawl().changed) == {"/docs/index.html"}


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (html("A", head='<meta name="robots" content="noindex">'), "1 are marked noindex"),
        ("<html><body><img src=a.png></body></html>", "1 have no text"),
        (html("404 Not Found", "Nothing here."), "1 say that they do not exist"),
    ],
)
def test_a_crawl_without_a_document_fails_with_the_reasons(
    site: DocsSite, crawl: Crawl, page: str, reason: str
) -> None:
    site.put("/docs/index.html", page)

    assert reason in crawl().failed["/docs/index.html"]


# Lists and rules as sites send them


@pytest.mark.parametrize(
    "body",
    [
        '\n<?xml version="1.0" encoding="UTF-8"?><urlset><url><loc>BASE/docs/a?x=1&amp;y=2</loc></url></urlset>',
        '\ufeff \r\n<?xml version="1.0"?><urlset><url><loc>BASE/docs/a?x=1&amp;y=2</loc></url></urlset>',
        "<urlset><url><loc>BASE/docs/a?x=1&y=2</loc></url></urlset>",
        "<urlset><url><loc>BASE/docs/a?x=1&y=2</loc><title>Q&nbsp;A & more</title></url></urlset>",
        "<urlset><url><loc>BASE/docs/a?x=1&amp;y=2\x0b</loc></url></urlset>",
        "<?xml version='1.0' encoding='no-such'?><urlset><url><loc>\n BASE/docs/a?x=1&amp;y=2 \n</loc></url></urlset>",
        "<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9' xmlns:i='urn:i'><url>"
        "<i:loc>BASE/docs/b</i:loc><loc>BASE/docs/a?x=1&amp;y=2</loc><i:loc>BASE/docs/c</i:loc></url></urlset>",
    ],
)
def test_a_sitemap_is_read_with_the_faults_that_sites_make(site: DocsSite, crawl: Crawl, body: str) -> None:
    site.put("/s.xml", body.replace("BASE", site.url("")), content_type="application/xml")
    site.put("/docs/a?x=1&y=2", html("A"))

    outcome = crawl(sitemap=site.url("/s.xml"))

    assert (set(outcome.changed), outcome.failed) == ({"/docs/a?x=1&y=2"}, {})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/s.xml",
            "<urlset><url><loc>http://[</loc></url><url><loc></loc></url><url/><url><loc>BASE/docs/a</loc>"
            "<lastmod>9999-12-31</lastmod></url><url><loc>mailto:x@example.org</loc></url></urlset>",
        ),
        ("/s.txt", "http://[\nhttp://x:port/\nBASE/docs/a\nhttp://[::1\nhttps://:80/\n"),
        (
            "/llms.txt",
            "- [A](BASE/docs/a)\n- [B](http://[)\n- [C](http://x:y)\n- [D](ftp://x)\n- [E](mailto:e@x.org)\n",
        ),
    ],
)
def test_wrong_entries_are_skipped_and_counted(site: DocsSite, crawl: Crawl, path: str, body: str) -> None:
    site.put(path, body.replace("BASE", site.url("")), content_type="text/xml" if path == "/s.xml" else "text/plain")
    site.put("/docs/a", html("A"))

    outcome = crawl(sitemap=site.url(path))

    assert set(outcome.changed) == {"/docs/a"}
    assert outcome.noticed == [f"{site.url(path)}: 4 entries have no URL and were skipped."]


def test_a_torn_sitemap_is_read_up_to_where_it_breaks_off_and_reported(site: DocsSite, crawl: Crawl) -> None:
    body = f"<urlset><url><loc>{site.url('/docs/a')}</loc></url><url><loc>{site.url('/docs/b')}</lo"
    site.put("/s.xml", body, content_type="text/xml")
    site.put("/docs/a", html("A"))

    outcome = crawl(sitemap=site.url("/s.xml"))

    assert "/docs/a" in outcome.changed
    assert outcome.failed["/s.xml"].startswith("it is not valid XML")


def test_a_sitemap_with_impossible_dates_is_read(site: DocsSite, crawl: Crawl) -> None:
    dates = ["9999-12-31", "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00", "٣", "-1"]
    entries = (
        f"<url><loc>{site.url(f'/docs/{n}')}</loc><lastmod>{date}</lastmod></url>" for n, date in enumerate(dates)
    )
    site.put("/s.xml", f"<urlset>{''.join(entries)}</urlset>", content_type="text/xml")
    for number in range(5):
        site.put(f"/docs/{number}", html(f"Page {number}"))

    assert len(crawl(sitemap=site.url("/s.xml")).changed) == 5


RULES = "User-agent: *\nDisallow: /docs/private/\n"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xef\xbb\xbf" + RULES.encode(), "text/plain"),
        (RULES.encode("utf-16"), "text/plain"),
        (b"\n\n" + RULES.replace("\n", "\r").encode(), "text/plain"),
        (RULES.encode(), "text/html; charset=utf-8"),
        (RULES.encode(), None),
        (b"\xff\xfe junk", "text/plain"),
    ],
)
def test_robots_txt_is_obeyed_in_any_form(site: DocsSite, crawl: Crawl, body: bytes, content_type: str | None) -> None:
    site.put("/robots.txt", body, content_type=content_type)
    site.put("/docs/index.html", html("Start", links=["private/a.html"]))
    site.put("/docs/private/a.html", html("A"))

    assert ("/docs/private/a.html" in crawl().changed) is (b"junk" in body)


@pytest.mark.parametrize("location", ["http://[", "http://x:port/", "ftp://example.org/robots.txt", "", "/robots.txt"])
def test_a_robots_txt_that_leads_nowhere_forbids_nothing(site: DocsSite, crawl: Crawl, location: str) -> None:
    site.redirect("/robots.txt", location)
    site.put("/docs/index.html", html("Start"))

    assert set(crawl().changed) == {"/docs/index.html"}


@pytest.mark.parametrize("location", ["http://[", "http://x:port/"])
def test_a_sitemap_that_leads_nowhere_is_a_one_line_error(site: DocsSite, crawl: Crawl, location: str) -> None:
    site.redirect("/s.xml", location)

    with pytest.raises(SourceError, match=r"s\.xml cannot be read: it redirects to an invalid address"):
        crawl(sitemap=site.url("/s.xml"))


# Answers that no server should give


def test_a_304_that_was_not_asked_for_is_a_failure_of_its_page(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["a.html", "b.html", "c.html"]))
    site.replies["/docs/a.html"] = Reply(status=304)
    site.put("/docs/b.html", html("B"))
    site.put("/docs/c.html", html("C"))
    site.fail("/docs/c.html", 304)

    outcome = crawl()

    assert set(outcome.changed) == {"/docs/index.html", "/docs/b.html", "/docs/c.html"}
    assert outcome.failed == {"/docs/a.html": "the server answers 304 (not modified) to a first request"}


def test_a_validator_that_cannot_be_sent_back_is_not_kept(site: DocsSite, crawl: Crawl) -> None:
    values = ['"größe"', "Montag, 3. März", "x" * 5000, "日"]
    heads = [{name: value.encode().decode("latin-1")} for value in values for name in ("ETag", "Last-Modified")]
    site.put("/docs/index.html", html("Start", links=[str(number) for number in range(8)]))
    for number, headers in enumerate(heads):
        site.put(f"/docs/{number}", html(f"Page {number}"), etag=False, headers=headers)
    crawl()

    outcome = crawl()

    assert (outcome.failed, len(outcome.changed), outcome.unchanged) == ({}, 8, ["/docs/index.html"])


def test_a_redirect_to_no_address_is_a_failure_of_its_page(site: DocsSite, crawl: Crawl) -> None:
    locations = ["", "http://[", "http://[::1", "http://x:99999/", "javascript:void(0)", "mailto:a@example.org"]
    site.put("/docs/index.html", html("Start", links=["0", "1", "2", "3", "4", "5", "none", "b.html"]))
    for number, location in enumerate(locations):
        site.redirect(f"/docs/{number}", location, status=302)
    site.replies["/docs/none"] = Reply(status=302)
    site.put("/docs/b.html", html("B"))

    outcome = crawl()

    assert set(outcome.changed) == {"/docs/index.html", "/docs/b.html"}
    assert len(outcome.failed) == 7
    assert set(outcome.failed.values()) == {"it redirects to an invalid address"}


def test_an_unknown_charset_is_ignored(site: DocsSite, crawl: Crawl) -> None:
    charsets = ["hex", "rot13", "no-such", "utf-8;", '"', "ü".encode().decode("latin-1"), "idna"]
    site.put("/docs/index.html", html("Start", links=[str(number) for number in range(7)]))
    for number, charset in enumerate(charsets):
        site.put(f"/docs/{number}", html(f"Page {number}", "Clés."), content_type=f"text/html; charset={charset}")

    outcome = crawl()

    assert all("Clés." in outcome.text(f"/docs/{number}") for number in range(7))


# Time and memory

#: libxml2 compares each attribute of an element with all before it.
ATTRIBUTES = "<p " + " ".join(f"a{number}=1" for number in range(60_000)) + ">slow</p>"


def test_a_page_that_takes_too_long_to_read_is_a_failure_of_its_page(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["slow.html", "b.html"]))
    site.put("/docs/slow.html", f"<html><body>{ATTRIBUTES}</body></html>")
    site.put("/docs/b.html", html("B"))

    outcome = crawl(limits=replace(FAST, reading=0.3))

    assert set(outcome.changed) == {"/docs/index.html", "/docs/b.html"}
    assert outcome.failed == {"/docs/slow.html": "reading it took more than 0.3 s"}
