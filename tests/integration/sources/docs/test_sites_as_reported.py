"""Small sites, each with one thing that crawlers are known to get wrong, and the pages that must become documents."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field

import pytest

from tests.integration.sources.docs.conftest import Crawl
from tests.servers.docs_site import DocsSite

PROSE = "Enough words stand in this paragraph so that nobody takes the page for an empty one; they speak of {}."


def page(subject: str, *links: str, head: str = "", body: str = "") -> str:
    """Return a page about a subject, with links; BASE is the address of the site."""
    listed = "".join(f'<a href="{link}">go on</a> ' for link in links)
    return (
        f"<html><head><title>{subject.title()}</title>{head}</head><body>{body}<main><h1>{subject.title()}</h1>"
        f"<p>{PROSE.format(subject)}</p>{listed}</main></body></html>"
    )


@dataclass
class Site:
    """The pages of a site, and which of them become documents: a word that must be in each."""

    name: str
    pages: dict[str, object]
    expected: dict[str, str]
    unwanted: tuple[str, ...] = ()
    start: str = "/d/"
    sitemap: str | None = None
    headers: dict[str, dict[str, str]] = field(default_factory=dict)


def urlset(
    *locs: str,
    before: str = '<?xml version="1.0" encoding="UTF-8"?>',
    space: str = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"',
) -> str:
    return f"{before}<urlset {space}>" + "".join(f"<url><loc>{loc}</loc></url>" for loc in locs) + "</urlset>"


XML = {"content-type": "application/xml"}
TEXT = {"content-type": "text/plain"}
SITES = [
    # canonical
    Site(
        "every page names the root of the host",
        {
            "/d/": page("home", "a", "b", head='<link rel="canonical" href="BASE/">'),
            "/d/a": page("alpha", head='<link rel="canonical" href="BASE/">'),
            "/d/b": page("beta", head='<link rel="canonical" href="BASE/">'),
        },
        {"/d/": "home", "/d/a": "alpha", "/d/b": "beta"},
    ),
    Site(
        "every page names a page that is missing",
        {
            "/d/": page("home", "a", head='<link rel="canonical" href="BASE/d/x">'),
            "/d/a": page("alpha", head='<link rel="canonical" href="BASE/d/x">'),
        },
        {"/d/": "home", "/d/a": "alpha"},
    ),
    Site(
        "every page names the first by another scheme",
        {
            "/d/": page("home", "a", "b", head='<link rel="canonical" href="HTTPS/d/">'),
            "/d/a": page("alpha", head='<link rel="canonical" href="HTTPS/d/">'),
            "/d/b": page("beta", head='<link rel="canonical" href="HTTPS/d/">'),
        },
        {"/d/": "home", "/d/a": "alpha", "/d/b": "beta"},
    ),
    Site(
        "a chain of canonical addresses",
        {
            "/d/": page("home", "a", "b", "c"),
            "/d/a": page("alpha", head='<link rel="canonical" href="b">'),
            "/d/b": page("beta", head='<link rel="canonical" href="c">'),
            "/d/c": page("gamma", head='<link rel="canonical" href="a">'),
        },
        {"/d/a": "alpha", "/d/b": "beta", "/d/c": "gamma"},
    ),
    Site(
        "the canonical page says noindex",
        {
            "/d/": page("home", "a", "b"),
            "/d/a": page("alpha", head='<link rel="canonical" href="b">'),
            "/d/b": page("beta", head='<meta name="robots" content="noindex">'),
        },
        {"/d/a": "alpha"},
        ("/d/b",),
    ),
    Site(
        "a canonical address of a newer version",
        {
            "/d/1.0/": page("home", "a", head='<link rel="canonical" href="BASE/d/latest/">'),
            "/d/1.0/a": page("alpha", head='<link rel="canonical" href="BASE/d/latest/a">'),
            "/d/latest/a": page("omega"),
        },
        {"/d/1.0/": "home", "/d/1.0/a": "alpha"},
        ("/d/latest/a",),
        start="/d/1.0/",
    ),
    Site(
        "a page for the printer",
        {
            "/d/": page("home", "a", "a?print=1"),
            "/d/a": page("alpha"),
            "/d/a?print=1": page("alpha", head='<link rel="canonical" href="BASE/d/a">'),
        },
        {"/d/a": "alpha"},
        ("/d/a?print=1",),
    ),
    # names like files
    Site(
        "pages named like programs and data",
        {
            "/d/": page(
                "home",
                "index.php",
                "about.aspx",
                "log.config",
                "v1.2",
                "package.json",
                "Dockerfile",
                "a.tar",
                "java.util.zip",
                "lib.so",
            ),
            **{
                f"/d/{n}": page(f"page {n}")
                for n in (
                    "index.php",
                    "about.aspx",
                    "log.config",
                    "v1.2",
                    "package.json",
                    "Dockerfile",
                    "a.tar",
                    "java.util.zip",
                    "lib.so",
                )
            },
        },
        {
            f"/d/{n}": "page "
            for n in (
                "index.php",
                "about.aspx",
                "log.config",
                "v1.2",
                "package.json",
                "Dockerfile",
                "a.tar",
                "java.util.zip",
                "lib.so",
            )
        },
    ),
    Site(
        "a Markdown name with a page of HTML",
        {"/d/": page("home", "README.md"), "/d/README.md": page("rendered")},
        {"/d/README.md": "rendered"},
    ),
    # refresh
    Site(
        "a refresh in a noscript of the body",
        {
            "/d/": page("home", "a", body='<noscript><meta http-equiv="refresh" content="0;url=/d/nojs"></noscript>'),
            "/d/a": page("alpha"),
            "/d/nojs": page("nothing"),
        },
        {"/d/": "home", "/d/a": "alpha"},
        ("/d/nojs",),
    ),
    Site(
        "a refresh in noscript to the page itself with a parameter",
        {
            "/d/": page(
                "home", "a", head='<noscript><meta http-equiv="Refresh" content="1; URL=/d/?nojs=1"></noscript>'
            ),
            "/d/a": page("alpha", head='<noscript><meta http-equiv="Refresh" content="1; URL=/d/a?nojs=1"></noscript>'),
        },
        {"/d/": "home", "/d/a": "alpha"},
    ),
    Site(
        "a refresh that is a redirect, in quotes",
        {
            "/d/": page("home", "old"),
            "/d/old": """<html><head><title>Moved</title><meta http-equiv="refresh" content="0; url='new.html'"></head><body>Moved</body></html>""",
            "/d/new.html": page("target"),
        },
        {"/d/new.html": "target"},
        ("/d/old",),
    ),
    Site(
        "a page that reloads itself every minute",
        {"/d/": page("home", "live"), "/d/live": page("live values", head='<meta http-equiv="refresh" content="60">')},
        {"/d/live": "live values"},
    ),
    # base
    Site(
        "two bases",
        {
            "/d/": page("home", "x.html", head='<base href="/d/one/"><base href="/d/two/">'),
            "/d/one/x.html": page("first"),
            "/d/two/x.html": page("second"),
        },
        {"/d/one/x.html": "first"},
        ("/d/two/x.html",),
    ),
    Site(
        "a base without an address, then one with",
        {
            "/d/": page("home", "x.html", head='<base target="_top"><base href="/d/one/">'),
            "/d/one/x.html": page("first"),
        },
        {"/d/one/x.html": "first"},
    ),
    Site(
        "a base after the links of the head",
        {
            "/d/": page("home", "x.html", head='<link rel="next" href="y.html"><base href="/d/one/">'),
            "/d/one/x.html": page("first"),
            "/d/one/y.html": page("next one"),
        },
        {"/d/one/x.html": "first", "/d/one/y.html": "next one"},
    ),
    Site(
        "an empty base",
        {"/d/": page("home", "x.html", head='<base href="">'), "/d/x.html": page("first")},
        {"/d/x.html": "first"},
    ),
    # queries and paths
    Site(
        "a parameter without a value",
        {
            "/d/": page("home", "?faq", "?terms=", "x?a&amp;b=2"),
            "/d/?faq": page("questions"),
            "/d/?terms=": page("terms"),
            "/d/x?a&b=2": page("letters"),
        },
        {"/d/?faq": "questions", "/d/?terms=": "terms", "/d/x?a&b=2": "letters"},
    ),
    Site(
        "signs in parameters",
        {
            "/d/": page("home", "?q=a+b", "?p=a%2Fb", "?r=a:b,c"),
            "/d/?q=a+b": page("plus"),
            "/d/?p=a%2Fb": page("slash"),
            "/d/?r=a:b,c": page("colon"),
        },
        {"/d/?q=a+b": "plus", "/d/?p=a%2Fb": "slash", "/d/?r=a:b,c": "colon"},
    ),
    Site(
        "pages that differ in capitals",
        {
            "/d/": page("home", "String.html", "string.html"),
            "/d/String.html": page("class"),
            "/d/string.html": page("module"),
        },
        {"/d/String.html": "class", "/d/string.html": "module"},
    ),
    Site(
        "encoded and plain signs in a path",
        {
            "/d/": page("home", "a%20b.html", "%7Euser.html", "c++.html", "x@y.html", "op(1).html"),
            "/d/a%20b.html": page("blank"),
            "/d/~user.html": page("tilde"),
            "/d/c++.html": page("plus"),
            "/d/x@y.html": page("at"),
            "/d/op(1).html": page("round"),
        },
        {
            "/d/a%20b.html": "blank",
            "/d/~user.html": "tilde",
            "/d/c++.html": "plus",
            "/d/x@y.html": "at",
            "/d/op(1).html": "round",
        },
    ),
    Site(
        "letters of a script in a path",
        {
            "/d/": page("home", "größe.html", "/d/日本.html"),
            "/d/gr%C3%B6%C3%9Fe.html": page("size"),
            "/d/%E6%97%A5%E6%9C%AC.html": page("japan"),
        },
        {"/d/gr%C3%B6%C3%9Fe.html": "size", "/d/%E6%97%A5%E6%9C%AC.html": "japan"},
    ),
    Site(
        "blanks and line breaks around an address",
        {"/d/": page("home", "\n  a.html  \n", "b.html&#10;"), "/d/a.html": page("alpha"), "/d/b.html": page("beta")},
        {"/d/a.html": "alpha", "/d/b.html": "beta"},
    ),
    Site(
        "a folder with and without its slash",
        {"/d/": page("home", "a", "a/"), "/d/a": page("alpha"), "/d/a/": page("alpha")},
        {"/d/a": "alpha"},
    ),
    Site(
        "links of a hash-bang and of scripts",
        {"/d/": page("home", "#!/a", "javascript:void(0)", "a#!x", "mailto:a@b.c"), "/d/a": page("alpha")},
        {"/d/a": "alpha"},
    ),
    Site(
        "an image map, a frame and an iframe",
        {
            "/d/": '<html><head><title>F</title></head><frameset><frame src="menu.html"><frame src="text.html"></frameset></html>',
            "/d/menu.html": page("menu", body='<map><area href="map.html"></map>'),
            "/d/text.html": page("text"),
            "/d/map.html": page("mapped"),
        },
        {"/d/text.html": "text", "/d/map.html": "mapped"},
    ),
    # robots
    Site(
        "a header for another crawler",
        {"/d/": page("home", "a", "b", "c"), "/d/a": page("alpha"), "/d/b": page("beta"), "/d/c": page("gamma")},
        {"/d/a": "alpha", "/d/b": "beta"},
        ("/d/c",),
        headers={
            "/d/a": {"X-Robots-Tag": "googlebot: noindex, nofollow"},
            "/d/b": {"X-Robots-Tag": "unavailable_after: 25 Jun 2010 15:00:00 PST"},
            "/d/c": {"X-Robots-Tag": "noarchive, noindex"},
        },
    ),
    Site(
        "a meta tag for another crawler",
        {
            "/d/": page("home", "a", head='<meta name="googlebot" content="noindex">'),
            "/d/a": page(
                "alpha",
                head='<meta name="AdsBot-Google" content="noindex"><meta name="robots" content="max-snippet:-1">',
            ),
        },
        {"/d/": "home", "/d/a": "alpha"},
    ),
    Site(
        "robots.txt with a mark and old line ends",
        {
            "/robots.txt": (b"\xef\xbb\xbfUser-agent: *\rDisallow: /d/private\r", TEXT),
            "/d/": page("home", "private/x", "a"),
            "/d/private/x": page("secret"),
            "/d/a": page("alpha"),
        },
        {"/d/a": "alpha"},
        ("/d/private/x",),
    ),
    Site(
        "robots.txt with a mark before a comment",
        {
            "/robots.txt": (b"\xef\xbb\xbf# rules\r\n\r\nuser-agent:*\r\ndisallow:/d/private/ # no\r\n", TEXT),
            "/d/": page("home", "private/x", "a"),
            "/d/private/x": page("secret"),
            "/d/a": page("alpha"),
        },
        {"/d/a": "alpha"},
        ("/d/private/x",),
    ),
    Site(
        "robots.txt with a group for this crawler",
        {
            "/robots.txt": (b"User-agent: *\nDisallow: /\n\nUser-agent: Support-Engine\nDisallow: /d/no\n", TEXT),
            "/d/": page("home", "no", "a"),
            "/d/no": page("secret"),
            "/d/a": page("alpha"),
        },
        {"/d/a": "alpha"},
        ("/d/no",),
    ),
    Site(
        "robots.txt with wildcards and an exception",
        {
            "/robots.txt": (b"User-agent: *\nDisallow: /d/*.php$\nDisallow: /d/x/\nAllow: /d/x/ok\n", TEXT),
            "/d/": page("home", "a.php", "x/no", "x/ok"),
            "/d/a.php": page("program"),
            "/d/x/no": page("secret"),
            "/d/x/ok": page("allowed"),
        },
        {"/d/x/ok": "allowed"},
        ("/d/a.php", "/d/x/no"),
    ),
    # Markdown and notebooks
    Site(
        "Markdown as plain text, as bytes and without a type",
        {
            "/d/": page("home", "a.md", "b.md", "c.markdown", "d.mdx"),
            "/d/a.md": ("# Alpha\n\nText of alpha.", TEXT),
            "/d/b.md": ("# Beta\n\nText of beta.", {"content-type": "application/octet-stream"}),
            "/d/c.markdown": ("# Gamma\n\nText of gamma.", {"content-type": "text/x-markdown"}),
            "/d/d.mdx": ("import X from 'x'\n\n# Delta\n\n<X>Text of delta.</X>", TEXT),
        },
        {"/d/a.md": "alpha", "/d/b.md": "beta", "/d/c.markdown": "gamma", "/d/d.mdx": "delta"},
    ),
    Site(
        "notebooks",
        {
            "/d/": page("home", "a.ipynb", "b.ipynb"),
            "/d/a.ipynb": (
                '{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":[{"cell_type":"markdown","metadata":{},"source":["# Alpha\\n","Text of alpha."]}]}',
                {"content-type": "application/json"},
            ),
            "/d/b.ipynb": (
                '{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":[{"cell_type":"code","metadata":{},"source":"beta()","outputs":[]}]}',
                {"content-type": "application/octet-stream"},
            ),
        },
        {"/d/a.ipynb": "alpha", "/d/b.ipynb": "beta"},
    ),
    # shells
    Site(
        "a shell with llms.txt of relative links",
        {
            "/d/": '<html><head><title>App</title><script type="module" src="/app.js"></script></head><body><noscript>You need to enable JavaScript to run this app.</noscript><div id="root"></div></body></html>',
            "/d/llms.txt": ("# App\n\n- [Alpha](a.md): first\n- [Beta](/d/b.md)\n", TEXT),
            "/d/a.md": ("# Alpha\n\nText of alpha.", TEXT),
            "/d/b.md": ("# Beta\n\nText of beta.", TEXT),
        },
        {"/d/a.md": "alpha", "/d/b.md": "beta"},
    ),
    Site(
        "a shell with a sitemap of full pages",
        {
            "/d/": '<html><head><title>App</title></head><body><div id="app">Loading…</div><script src="/app.js"></script></body></html>',
            "/sitemap.xml": (urlset("BASE/d/a", "BASE/d/b"), XML),
            "/d/a": page("alpha"),
            "/d/b": page("beta"),
        },
        {"/d/a": "alpha", "/d/b": "beta"},
    ),
    Site(
        "a shell with a spinner and a menu bar of its brand",
        {
            "/d/": '<html><head><title>App</title></head><body><app-root><div class="spinner"><span>Please wait…</span></div></app-root><script src="main.js" type="module"></script></body></html>',
            "/d/llms.txt": ("- [Alpha](a)\n", TEXT),
            "/d/a": page("alpha"),
        },
        {"/d/a": "alpha"},
    ),
    # sitemaps
    Site(
        "blank lines and a mark before the declaration",
        {"/s.xml": (b"\xef\xbb\xbf\r\n\r\n  " + urlset("BASE/d/a").encode(), XML), "/d/a": page("alpha")},
        {"/d/a": "alpha"},
        sitemap="/s.xml",
    ),
    Site(
        "a bare ampersand in an address",
        {"/s.xml": (urlset("BASE/d/a?x=1&y=2"), XML), "/d/a?x=1&y=2": page("alpha")},
        {"/d/a?x=1&y=2": "alpha"},
        sitemap="/s.xml",
    ),
    Site(
        "entities of HTML",
        {
            "/s.xml": (urlset("BASE/d/a", before="").replace("</url>", "<title>A&nbsp;&eacute;</title></url>"), XML),
            "/d/a": page("alpha"),
        },
        {"/d/a": "alpha"},
        sitemap="/s.xml",
    ),
    Site(
        "no namespace, blanks in the address, a CDATA",
        {
            "/s.xml": (urlset("\n   BASE/d/a\n  ", "<![CDATA[BASE/d/b]]>", space=""), XML),
            "/d/a": page("alpha"),
            "/d/b": page("beta"),
        },
        {"/d/a": "alpha", "/d/b": "beta"},
        sitemap="/s.xml",
    ),
    Site(
        "an old namespace and a prefix",
        {
            "/s.xml": (
                '<s:urlset xmlns:s="http://www.google.com/schemas/sitemap/0.84"><s:url><s:loc>BASE/d/a</s:loc></s:url></s:urlset>',
                XML,
            ),
            "/d/a": page("alpha"),
        },
        {"/d/a": "alpha"},
        sitemap="/s.xml",
    ),
    Site(
        "an image before the page",
        {
            "/s.xml": (
                '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1" xmlns:xhtml="http://www.w3.org/1999/xhtml"><url><image:image><image:loc>BASE/d/p.png</image:loc></image:image><xhtml:link rel="alternate" hreflang="de" href="BASE/d/de"/><loc>BASE/d/a</loc></url></urlset>',
                XML,
            ),
            "/d/a": page("alpha"),
        },
        {"/d/a": "alpha"},
        sitemap="/s.xml",
    ),
    Site(
        "an entry that is wrong among others",
        {
            "/s.xml": (urlset("http://[", "", "/d/a", "BASE/d/b", "mailto:x"), XML),
            "/d/a": page("alpha"),
            "/d/b": page("beta"),
        },
        {"/d/a": "alpha", "/d/b": "beta"},
        sitemap="/s.xml",
    ),
    Site(
        "an index with relative and packed files",
        {
            "/s.xml": (
                '<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><sitemap><loc>one.xml</loc></sitemap><sitemap><loc>BASE/two.xml.gz</loc></sitemap></sitemapindex>',
                XML,
            ),
            "/one.xml": (urlset("BASE/d/a"), XML),
            "/two.xml.gz": ("GZ" + urlset("BASE/d/b"), {"content-type": "application/x-gzip"}),
            "/d/a": page("alpha"),
            "/d/b": page("beta"),
        },
        {"/d/a": "alpha", "/d/b": "beta"},
        sitemap="/s.xml",
    ),
    Site(
        "a list of text with a mark",
        {"/s.txt": ("\ufeffBASE/d/a\r\nBASE/d/b\r\n", TEXT), "/d/a": page("alpha"), "/d/b": page("beta")},
        {"/d/a": "alpha", "/d/b": "beta"},
        sitemap="/s.txt",
    ),
    Site(
        "a sitemap with a style sheet and a comment",
        {
            "/s.xml": (
                urlset(
                    "BASE/d/a",
                    before='<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="/s.xsl"?><!-- made by hand & in haste -->',
                ),
                {"content-type": "text/html; charset=utf-8"},
            ),
            "/d/a": page("alpha"),
        },
        {"/d/a": "alpha"},
        sitemap="/s.xml",
    ),
    Site(
        "a sitemap that lists http where the site is asked for otherwise",
        {"/s.xml": (urlset("HTTPS/d/a"), XML), "/d/a": page("alpha")},
        {"/d/a": "alpha"},
        sitemap="/s.xml",
    ),
    Site(
        "llms.txt with notes, relative addresses and fragments",
        {
            "/d/llms.txt": (
                '# Acme\n\n> About.\n\n## Docs\n\n- [Alpha](BASE/d/a.md#top): first\n- [Beta](b)\n\n## Optional\n\n- [Gamma](./c.md "title")\n',
                TEXT,
            ),
            "/d/a.md": ("# Alpha\n\nText of alpha.", TEXT),
            "/d/b": page("beta"),
            "/d/c.md": ("# Gamma\n\nText of gamma.", TEXT),
        },
        {"/d/a.md": "alpha", "/d/b": "beta", "/d/c.md": "gamma"},
        sitemap="/d/llms.txt",
    ),
    # what servers send
    Site(
        "XHTML, with its own type and an instruction",
        {
            "/d/": page("home", "a", "b"),
            "/d/a": (
                '<?xml version="1.0" encoding="UTF-8"?><?xml-stylesheet href="x.css"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head><title>A</title></head><body><h1>Alpha</h1><p>Text of alpha.<br/>More.</p></body></html>',
                {"content-type": "application/xhtml+xml"},
            ),
            "/d/b": (
                '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>B</title></head><body><p>Text of beta.</p></body></html>',
                {"content-type": "text/xml"},
            ),
        },
        {"/d/a": "alpha", "/d/b": "beta"},
    ),
    Site(
        "a charset of the header, against that of the page",
        {
            "/d/": page("home", "a", "b"),
            "/d/a": (
                "<html><head><meta charset=utf-8><title>A</title></head><body><p>Text “alpha”.</p></body></html>".encode(
                    "cp1252"
                ),
                {"content-type": "text/html; charset=ISO-8859-1"},
            ),
            "/d/b": (
                "<html><head><meta charset=iso-8859-1><title>B</title></head><body><p>Text “beta”.</p></body></html>".encode(),
                {"content-type": "text/html; charset=utf-8"},
            ),
        },
        {"/d/a": "“alpha”", "/d/b": "“beta”"},
    ),
    Site(
        "UTF-16 that only the header names",
        {
            "/d/": page("home", "a"),
            "/d/a": (
                "<html><head><title>A</title></head><body><p>Text of alpha.</p></body></html>".encode("utf-16-le"),
                {"content-type": "text/html; charset=utf-16le"},
            ),
        },
        {"/d/a": "alpha"},
    ),
    Site(
        "a missing page with status 200",
        {
            "/d/": page("home", "a", "gone"),
            "/d/a": page("alpha"),
            "/d/gone": "<html><head><title>Page not found</title></head><body><h1>404</h1><p>Sorry.</p></body></html>",
        },
        {"/d/a": "alpha"},
        ("/d/gone",),
    ),
    Site(
        "a type in capitals, and one in a list",
        {"/d/": page("home", "a"), "/d/a": (page("alpha"), {"content-type": "Text/HTML; Charset=UTF-8"})},
        {"/d/a": "alpha"},
    ),
    Site(
        "a feed among the links",
        {
            "/d/": page("home", "feed.xml", "a"),
            "/d/feed.xml": (
                '<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><item><link>BASE/d/a</link></item></channel></rss>',
                {"content-type": "application/rss+xml"},
            ),
            "/d/a": page("alpha"),
        },
        {"/d/a": "alpha"},
        ("/d/feed.xml",),
    ),
]


def content(site: DocsSite, body: object) -> bytes:
    if isinstance(body, bytes):
        return body.replace(b"BASE", site.url("").encode())
    text = str(body).replace("BASE", site.url("")).replace("HTTPS", site.url("").replace("http:", "https:"))
    return gzip.compress(text[2:].encode()) if text.startswith("GZ") else text.encode()


@pytest.mark.parametrize("reported", SITES, ids=lambda site: site.name)
def test_every_page_of_a_site_is_read_once(reported: Site, site: DocsSite, crawl: Crawl) -> None:
    for path, given in reported.pages.items():
        body, headers = given if isinstance(given, tuple) else (given, {})
        headers = {**headers, **reported.headers.get(path, {})}
        kind = headers.pop("content-type", "text/html; charset=utf-8" if isinstance(body, str) else "text/html")
        site.put(path, content(site, body), content_type=kind, headers=headers)
    config = {"sitemap": site.url(reported.sitemap)} if reported.sitemap else {}

    outcome = crawl(start=reported.start, **config)

    missing = {
        path: word
        for path, word in reported.expected.items()
        if path not in outcome.changed or word not in outcome.text(path).lower()
    }
    assert missing == {}, (outcome.failed, outcome.noticed, sorted(outcome.changed))
    assert [path for path in reported.unwanted if path in outcome.changed] == []


def test_a_parameter_in_two_spellings_is_one_page(site: DocsSite, crawl: Crawl) -> None:
    for path in ("/d/?t=A_(b)", "/d/?t=A_%28b%29"):
        site.put(path, page("round"))
    site.put("/d/", page("home", "?t=A_(b)", "?t=A_%28b%29"))

    assert len(crawl(start="/d/").changed) == 2
