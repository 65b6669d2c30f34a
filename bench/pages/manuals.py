"""Whole manuals by many documentation generators, with the text that an extraction of each page must keep.

The main text of a page and what stands beside it are found by XPath, written for each generator by hand and independent
of the extraction that is measured. Manuals of Debian packages are read where they are installed; others are given as
GENERATOR=FOLDER.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fixtures.docs.draft import BESIDE, main_texts, text_of
from tests.fixtures.docs.draft import words_of as text_by_block
from tests.fixtures.docs.expected import Expected, words_of

__all__ = ["GENERATORS", "manual"]

_MAX_BYTES = 400_000
#: A page with fewer is a table of contents, which is kept because the page has nothing else.
_MIN_WORDS = 60


@dataclass(frozen=True)
class Generator:
    """Where the pages of a generator hold their main text."""

    main: str
    #: elements in the main text that are not text, besides those of all generators
    beside: str = ""
    code: str = ".//pre"
    #: the folder and the pages in it, if a Debian package installs them
    folder: str = ""
    pages: str = "**/*.html"


def has_class(name: str) -> str:
    return f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"


GENERATORS: Mapping[str, Generator] = {
    "Apache": Generator(
        "//div[@id='page-content']",
        f"//*[{has_class('toplang')} or {has_class('bottomlang')} or {has_class('permalink')}] | //div[@class='top']",
        folder="/usr/share/doc/apache2-doc/manual/en",
    ),
    "AsciiDoc": Generator(
        "//div[@id='header'] | //div[@id='content']", "//div[@id='toc']", folder="/usr/share/doc/git/html"
    ),
    "Doxygen": Generator(
        f"//div[@id='doc-content']/div[@class='header']//div[{has_class('title')}] | //div[@class='contents']",
        f"//div[@class='ttc' or @class='ingroups'] | //span[@class='lineno'] | //map | //span[@class='permalink']"
        f" | //div[@class='toc' or {has_class('toc')}]",
        code=".//pre | .//div[@class='fragment']",
        folder="/usr/share/doc/libeigen3-dev/html",
    ),
    "Javadoc": Generator(
        "//main",
        "//*[@role='tablist'] | //div[@class='caption' and not(node())]",
        folder="/usr/share/doc/openjdk-17-jre-headless/api/java.base/java",
    ),
    "Erlang": Generator(
        "//div[@id='content']",
        "//div[@class='title-anchors'] | //div[@class='footer']",
        folder="/usr/lib/erlang/lib",
        pages="*/doc/html/*.html",
    ),
    "ExDoc": Generator(
        "//div[@id='content']",
        f"//div[{has_class('top-search')}] | //footer | //small[{has_class('app-vsn')}]"
        f" | //a[{has_class('icon-action')} or {has_class('hover-link')} or {has_class('detail-link')}]",
    ),
    "gtk-doc": Generator(
        "/html/body/div[not(@class='footer' or @class='navigation')]",
        "//div[@class='toc'] | //td[@class='listing_lines']",
        folder="/usr/share/gtk-doc/html",
    ),
    "Sphinx": Generator("//div[@role='main']", folder="/usr/share/doc/python3.11/html"),
    "DocBook": Generator(
        "/html/body/div[not(@class='navheader' or @class='navfooter')]",
        "//div[@class='toc']",
        folder="/usr/share/doc/postgresql-doc-15/html",
    ),
    "VitePress": Generator(
        f"//div[{has_class('vp-doc')}]",
        f"//a[@class='header-anchor'] | //span[@class='lang'] | //div[{has_class('line-numbers-wrapper')}]",
    ),
    "Asciidoctor": Generator("//div[@id='header'] | //div[@id='content']", "//div[@id='toc']"),
    "TypeDoc": Generator(
        f"//div[{has_class('col-content')}]",
        f"//*[{has_class('tsd-breadcrumb')} or {has_class('tsd-anchor-icon')}]",
    ),
    "rdoc": Generator("//main", "//h1/span[a] | //h2/span[a] | //h3/span[a] | //h4/span[a]"),
    "rustdoc": Generator(
        "//section[@id='main-content']",
        f"//button | //a[{has_class('anchor')} or {has_class('collapse-toggle')}]"
        f" | //*[{has_class('srclink')} or {has_class('notable-traits')} or {has_class('test-arrow')}]",
        folder="/usr/share/doc/rust-doc/html/std",
        pages="[c-v]*/*.html",
    ),
    "mdBook": Generator(
        "//div[@id='content']//main",
        f"//span[{has_class('boring')}]",
        code=".//pre[not(.//pre)]",
        folder="/usr/share/doc/rust-doc/html/book",
        pages="ch*.html",
    ),
    "Haddock": Generator(
        "//div[@id='content']",
        f"//div[@id='table-of-contents'] | //a[{has_class('link')} or {has_class('selflink')}]",
        folder="/usr/share/doc/ghc-doc/html/libraries",
        pages="*/*.html",
    ),
    "QDoc": Generator(
        f"//div[{has_class('mainContent')}]",
        f"//div[{has_class('toc')}]",
        folder="/usr/share/qt5/doc/qtcore",
    ),
    "Texinfo": Generator(
        "/html/body",
        f"//div[{has_class('header')} or {has_class('nav-panel')} or {has_class('contents')}]"
        f" | //a[{has_class('copiable-anchor')} or {has_class('copiable-link')}]",
        folder="/usr/share/doc/octave/octave.html",
    ),
    "gi-docgen": Generator(
        "//section[@id='main']",
        f"//a[{has_class('anchor')} or {has_class('srclink')}]",
        code=".//pre[not(.//pre)]",
        folder="/usr/share/doc/libsoup-3.0",
    ),
    "Node.js": Generator("//div[@id='apicontent']", "//span/a[@class='mark']", folder="/usr/share/doc/nodejs/api"),
}


def manual(name: str, folder: Path, count: int) -> Iterator[Expected]:
    """Yield pages of a manual, spread evenly over it.

    :raises FileNotFoundError: the folder has no page with main text
    """
    generator = GENERATORS[name]
    beside = " | ".join(filter(None, (BESIDE, generator.beside)))
    found = 0
    for path in _spread(sorted(folder.glob(generator.pages)), 3 * count):
        body = path.read_bytes()
        if found == count or len(body) > _MAX_BYTES:
            continue
        try:
            mains = main_texts(body, generator.main, beside)
        except ValueError:
            continue  # a redirect, or an index without text
        text = "".join(map(text_by_block, mains))
        if len(text.split()) < _MIN_WORDS:
            continue
        found += 1
        blocks = [text_of(block).replace("\xa0", " ") for main in mains for block in main.xpath(generator.code)]
        code = Counter(line for block in blocks for line in block.split("\n") if line.strip())
        yield Expected(name, path.stem, body, words_of(text), code)
    if not found:
        raise FileNotFoundError(f"{folder} has no page by {name}")


def _spread(paths: Sequence[Path], count: int) -> Sequence[Path]:
    return paths[:: max(1, len(paths) // count)]
