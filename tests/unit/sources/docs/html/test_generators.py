"""HTML to Markdown: pages of each generator, and single elements."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rag.sources.docs.pages.page import NotHtmlError, Page, decode, read_page
from rag.sources.docs.urls import Scope

FIXTURES = Path(__file__).parents[4] / "fixtures" / "docs"
TITLES = {
    "sphinx": "client — Talk to the server",
    "mkdocs_material": "Install",
    "docusaurus": "Configuration",
    "docbook": "3.2. Settings",
    "mintlify": "Quickstart",
    "plain": "Frequently Asked Questions",
}


def read(
    body: str | bytes, *, url: str = "http://docs.example.org/guide/page.html", charset: str | None = None
) -> Page:
    scope = Scope("http://docs.example.org/")
    data = body.encode() if isinstance(body, str) else body
    return read_page(data, url=url, charset=charset, robots="", link=scope.link)


def main(content: str) -> str:
    return read(f"<html><body><nav>Menu</nav><main>{content}</main></body></html>").text


@pytest.mark.parametrize("name", TITLES)
def test_a_page_of_each_generator_becomes_the_expected_markdown(name: str) -> None:
    page = read((FIXTURES / f"{name}.html").read_bytes())

    assert page.text == (FIXTURES / f"{name}.md").read_text(encoding="utf-8").strip("\n")
    assert page.title == TITLES[name]


@pytest.mark.parametrize("name", TITLES)
def test_every_anchor_exists_in_the_page(name: str) -> None:
    source = (FIXTURES / f"{name}.html").read_text(encoding="utf-8")

    anchors = re.findall(r" \{#([^}]+)\}$", read(source).text, re.MULTILINE)

    assert all(f'id="{anchor}"' in source or f'name="{anchor}"' in source for anchor in anchors)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<pre><code class='language-py'>a = 1\n\n    b\n</code></pre>", "```py\na = 1\n\n    b\n```"),
        ("<pre>```\ncode\n```</pre>", "````\n```\ncode\n```\n````"),
        ("<pre>a<br>b</pre>", "```\na\nb\n```"),
        ("<pre>\ta  b </pre>", "```\n\ta  b \n```"),
        ("<ul><li>One<pre>x\n  y</pre></li><li>Two</li></ul>", "- One\n\n```\nx\n  y\n```\n\n- Two"),
        ("<ol start=3><li>Three<li>Four</ol>", "3. Three\n4. Four"),
        ("<ul><li><p>One</p><p>More</p></li></ul>", "- One\n\n  More"),
        ("<p>a <b> bold </b>word</p>", "a **bold** word"),
        ("<p><code>a</code><code>b</code></p>", "`ab`"),
        ("<p><code>a`b</code></p>", "`` a`b ``"),
        ("<p># no heading</p>", "\\# no heading"),
        ("<table><tr><th>A<th>B<tr><td>1|2<td>x<br>y</table>", "| A | B |\n| --- | --- |\n| 1\\|2 | x<br>y |"),
        ("<table><tr><th>A<th>B<tr><td colspan=2>x</table>", "| A | B |\n| --- | --- |\n| x |  |"),
        (
            "<table><tr><th>A<th>B<tr><td>one<td><pre>x\ny</pre></table>",
            "**A:** one\n\n**B:**\n\n```\nx\ny\n```",
        ),
        ("<h2>Title <a href='#t' class='anchor'>#</a></h2><p id='t'>x</p>", "## Title {#t}\n\nx {#t}"),
        ("<h2><a name='old'></a>Title</h2>", "## Title {#old}"),
        ("<section id='s'><h2>Title</h2></section>", "## Title {#s}"),
        ("<h2>Title <a href='#gone' class='anchor'>#</a></h2>", "## Title"),
        (
            "<p>Text <a href='/x'>inside</a> and <a href='https://example.org/y'>out</a></p>",
            "Text inside and [out](https://example.org/y)",
        ),
        ("<p>H<sub>2</sub>O, 10<sup>3</sup></p>", "H2O, 10^3"),
        ("<figure><img alt='A map' src=x><figcaption>Fig. 1</figcaption></figure>", "A map\n\n**Fig. 1**"),
        ("<details><summary>More</summary><p>Text.</p></details>", "**More**\nText."),
        (
            "<span class='katex'><span class='katex-mathml'><math><annotation encoding='application/x-tex'>x^2</annotation></math></span><span class='katex-html' aria-hidden='true'>x2</span></span>",
            "$x^2$",
        ),
        ("<aside class='note'><p>Text.</p></aside>", "**Note:** Text."),
        ("<p>one</p>two<div>three</div>", "one\n\ntwo\n\nthree"),
        ("<button>Copy</button><p>a</p><script>x</script><style>y</style>", "a"),
    ],
)
def test_html_becomes_markdown(content: str, expected: str) -> None:
    assert main(content) == expected


def test_tabs_of_radio_buttons_become_labelled_sections() -> None:
    content = (
        '<div><input type="radio" id="a"><label for="a" title="Linux">\uf17c</label>'
        '<input type="radio" id="b"><label for="b">Windows</label>'
        "<section><pre>ls</pre></section><section><pre>dir</pre></section></div>"
    )

    assert main(content) == "**Linux**\n\n```\nls\n```\n\n**Windows**\n\n```\ndir\n```"


def test_a_table_of_contents_is_dropped_unless_it_is_the_whole_page() -> None:
    contents = '<div class="toc"><ul><li><a href="a.html">A</a></li></ul></div>'

    assert main(f"<h1>Part</h1>{contents}<p>{'Text. ' * 50}</p>") == f"# Part\n\n{('Text. ' * 50).strip()}"
    assert main(f"<h1>Part</h1>{contents}") == "# Part\n\n- A"


@pytest.mark.parametrize(
    ("head", "heading", "title"),
    [
        ("<title>Guide | Widget</title>", "", "Guide"),
        ("<title>Guide - Widget</title><meta property='og:site_name' content='Widget'>", "", "Guide"),
        ("<title>Widget</title>", "<h1>Guide</h1>", "Guide"),
        ("<title>CREATE INDEX</title>", "<h1>1. Syntax</h1><h1>2. Use</h1>", "CREATE INDEX"),
        ("", "<h2>Guide</h2>", "Guide"),
        ("", "", "page.html"),
    ],
)
def test_the_title_of_a_page(head: str, heading: str, title: str) -> None:
    assert read(f"<html><head>{head}</head><body>{heading}<p>Text.</p></body></html>").title == title


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        ("<p>naïve “quoted”</p>".encode(), None),
        ("<p>naïve “quoted”</p>".encode(), "iso-8859-1"),
        ("<p>naïve “quoted”</p>".encode("cp1252"), None),
        ("<p>naïve “quoted”</p>".encode("cp1252"), "windows-1252"),
        ("<p>naïve “quoted”</p>".encode("utf-16"), None),
        (b"\xef\xbb\xbf" + "<p>naïve “quoted”</p>".encode(), "latin-1"),
        ('<meta charset="cp1252"><p>naïve “quoted”</p>'.encode("cp1252"), None),
        ("<p>naïve “quoted”</p>".encode("cp1252"), "no-such-charset"),
    ],
)
def test_a_wrong_or_missing_charset_is_corrected(body: bytes, charset: str | None) -> None:
    assert "naïve “quoted”" in decode(body, charset)


def test_other_declared_charsets_are_used() -> None:
    assert read("<p>日本語の文書</p>".encode("shift_jis"), charset="shift_jis").text == "日本語の文書"
    assert read("<p>日本語</p>".encode("iso-2022-jp"), charset="iso-2022-jp").text == "日本語"


@pytest.mark.parametrize("body", [b"\x7fELF" + bytes(range(256)) * 20, b"PK\x03\x04" + b"\x00\x01" * 400])
def test_binary_content_is_refused(body: bytes) -> None:
    with pytest.raises(NotHtmlError, match="binary"):
        read(body)


@pytest.mark.parametrize("depth", [1_000, 10_000])
def test_deep_nesting_keeps_its_text(depth: int) -> None:
    page = read(f"<p>before</p>{'<div>' * depth}deep{'</div>' * depth}<p>after</p>")

    assert "before" in page.text


@pytest.mark.parametrize(
    "tag",
    [
        *("span", "h1", "code", "pre", "table><tr><td", "ul><li", "dl><dd", "b", "aside", "a href=x"),
        *("ol", "sup", "math><mrow", "del><p", "dt", "details><summary><h3", "div class=katex", "my-tag"),
        *("div class=note", "div role=tabpanel", "div class=fragment", "div role=table", "section id=footer><h2"),
    ],
)
def test_deep_nesting_of_any_kind_is_read(tag: str) -> None:
    assert "deep" in read(f"<h2>Title</h2><code>{f'<{tag}>' * 300}deep").text


@pytest.mark.parametrize(
    "body",
    [
        "<p>text<table><tr><td><table><tr><td>x",
        "<html><body><p>a</p></html><p>b</p>",
        "<ul><ul><li></ul></li><dt>x<dd></ul>",
        "<a href='http://[::1'>x</a><base href='::'>y",
        "<table><td rowspan=999999999 colspan=999999999>x</table>",
        "<p>\x01\x0b\x7f text",
        "<svg><foreignObject><p>x</svg> y",
    ],
)
def test_malformed_html_is_read(body: str) -> None:
    assert isinstance(read(f"{body} end").text, str)


def test_a_page_is_not_called_by_the_name_of_its_site() -> None:
    page = read(
        "<html><head><title>Corepack | Tool v18 Documentation</title></head><body><main>"
        "<h1>Tool v18 documentation</h1><h2 id='c'>Corepack</h2><p>It manages versions.</p></main></body></html>"
    )

    assert page.title == "Corepack"


def test_a_page_is_called_by_its_h1_if_the_name_of_the_site_comes_first() -> None:
    page = read(
        "<html><head><title>Tool | Backup</title></head><body><main><h1>Backup</h1><h2>Why</h2><p>It may break.</p>"
        "</main></body></html>"
    )

    assert page.title == "Backup"
