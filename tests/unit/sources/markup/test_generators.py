"""What readers see of the syntax of documentation generators in Markdown files."""

from __future__ import annotations

import pytest

from rag.sources.markup.markdown import Links, read_markdown


def shown(source: str, *, links: Links | None = None) -> str:
    return read_markdown(source, links=links).markdown


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            '{% tabs %}\n{% tab title="Debian" %}\napt install it\n{% endtab %}\n{% endtabs %}',
            "**Debian**\n\napt install it",
        ),
        ('{% hint style="danger" %}\nNever.\n{% endhint %}', "**Danger:**\n\nNever."),
        ('{% code title="a.js" %}\n```js\nx\n```\n{% endcode %}', "**a.js**\n\n```js\nx\n```"),
        ('{% embed url="https://example.org/v" %}', "<https://example.org/v>"),
        ("{% tabs log %}\n{% tab log php %}\nA\n{% endtab %}\n{% endtabs %}", "**php**\n\nA"),
        ("{% highlight ruby linenos %}\n# x\n{% endhighlight %}", "```ruby\n# x\n```"),
        ("{% raw %}{{ page.title }}{% endraw %} and `{% raw %}{{ x }}{% endraw %}`", "{{ page.title }} and `{{ x }}`"),
        ('{% include note.html content="Mind it." %}', "**Note:** Mind it."),
        ('{% callout type="warning" title="Hot" %}\nT\n{% /callout %}', "**Hot:**\n\nT"),
        ('{% note(title="Mind") %}\nT\n{% end %}', "**Mind:**\n\nT"),
        ('{{< tabs "a" >}}\n{{< tab "macOS" >}}\nbrew\n{{< /tab >}}\n{{< /tabs >}}', "**macOS**\n\nbrew"),
        ('{{< tabs items="A,B" >}}\n{{< tab >}}\n1\n{{< /tab >}}\n{{< tab >}}\n2\n{{< /tab >}}\n{{< /tabs >}}',
         "**A**\n\n1\n\n**B**\n\n2"),
        ('{{< tabs name="t" >}}\n{{% tab name="Markdown" %}}\nq\n{{% /tab %}}\n{{< /tabs >}}', "**Markdown**\n\nq"),
        ("{{< hint warning >}}\nHot.\n{{< /hint >}}", "**Warning:**\n\nHot."),
        ('{{% alert title="Mind" color="info" %}}\nText\n{{% /alert %}}', "**Mind:**\n\nText"),
        ('{{< details "More" >}}\nD\n{{< /details >}}', "**More**\n\nD"),
        ('{{< highlight go "linenos=table" >}}\n# x\n{{< /highlight >}}', "```go\n# x\n```"),
        ('{{< figure src="https://example.org/a.png" caption="A cat" >}}', "![A cat](https://example.org/a.png)"),
        ("| a |\n|---|\n| {{< tab name=x >}} |", "| a |\n|---|\n| **x** |"),
        ("An {{ unknown }} and {% link a.md %}.", "An {{ unknown }} and a.md."),
    ],
)  # fmt: skip
def test_tags_of_template_languages_become_what_they_show(source: str, expected: str) -> None:
    assert shown(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("```{note}\nText.\n```", "**Note:**\nText."),
        ("```{admonition} Mind\n:class: tip\n\nText.\n```", "**Mind:**\n\nText."),
        ("````{tab-set}\n```{tab-item} Mac\nbrew\n```\n````", "**Mac**\n\nbrew"),
        ("::::{tab-set}\n:::{tab-item} Linux\n:sync: l\napt\n:::\n::::", "**Linux**\n\napt"),
        ("```{code-block} python\n:caption: a.py\n\n# x\n```", "**a.py**\n\n```python\n# x\n```"),
        (":::{code-block} sh\n# no heading\n:::", "```sh\n# no heading\n```"),
        ("```{code-cell} ipython3\n---\ntags: [hide]\n---\nx\n```", "```python\nx\n```"),
        ("Text.\n\n```{toctree}\na\nb\n```", "Text."),
        ("(label)=\n# T\n\n% hidden\n\n{ref}`the guide <g>`, {func}`f`, {doc}`page`", "# T {#t}\n\nthe guide, `f`, page"),
        ("{pep}`518`, {rfc}`822` and {issue}`7`", "PEP 518, RFC 822 and #7"),
        ("```{versionadded} 2.1\nIt.\n```", "**Added in version 2.1:**\nIt."),
        ("```{literalinclude} src/a.py\n:language: python\n```", "a.py"),
        ("::: code-group\n\n```js [a.js]\nx\n```\n\n```ts [a.ts]\ny\n```\n\n:::",
         "**a.js**\n\n```js\nx\n```\n\n**a.ts**\n\n```ts\ny\n```"),
        ("::: tabs\n== One\nA\n== Two\nB\n:::", "**One**\n\nA\n\n**Two**\n\nB"),
        ("::: tabs\n@tab One\nA\n:::", "**One**\n\nA"),
        ("```js:line-numbers {1}\nx\n```", "```js\nx\n```"),
        ("/// tip | Mind\nText\n///", "**Mind:**\nText"),
    ],
)  # fmt: skip
def test_directives_and_containers_become_labels_and_code(source: str, expected: str) -> None:
    assert shown(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("# T\n{: .no_toc #x }\n\nA", "# T {#t}\n\nA"),
        ("1. TOC\n{:toc}\n\nA", "A"),
        ("* Contents\n{:toc .x}\n\nA", "A"),
        ("A\n{: .note }", "**Note:**\nA"),
        ("{: .warning-title }\n> A", "**Warning:**\n> A"),
        ('[a](https://example.org){:target="_blank"} `b`{:.js} [c](https://example.org){ .md-button }',
         "[a](https://example.org) `b` [c](https://example.org)"),
        ("{::comment}\nhidden\n{:/comment}\n\nA", "A"),
        ("Sums: $\\sum_{i=0} x_{k}$ and {a: 1}", "Sums: $\\sum_{i=0} x_{k}$ and {a: 1}"),
    ],
)  # fmt: skip
def test_attribute_lists_are_not_shown(source: str, expected: str) -> None:
    assert shown(source) == expected


@pytest.mark.parametrize(
    "code", ["<div>x</div>", "<!-- x -->", "{% for a in b %}", "{{< x >}}", ":::note", "import 'a'"]
)
def test_indented_code_is_kept(code: str) -> None:
    assert shown(f"A:\n\n    {code}\n\nB.") == f"A:\n\n    {code}\n\nB."
    assert f"       {code}" in shown(f"1. A:\n\n       {code}\n\nB.")
    assert f"\t{code}" in shown(f"A:\n\n\t{code}\n")


@pytest.mark.parametrize("opener", ['!!! note "N"', '=== "N"', "??? tip"])
def test_the_indented_content_of_a_note_is_no_code(opener: str) -> None:
    assert "    " not in shown(f"{opener}\n\n    Text.\n\n    <b>More</b>.\n\nAfter.")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("A <!-- x --> B", "A  B"),
        ("A <!-- open\n\n## N\n\nB", "A <!-- open\n\n## N {#n}\n\nB"),
        ("A <!-- open\n\nB <!-- c -->", "A <!-- open\n\nB"),
        ("<!-- open\n\nB", "\\<!-- open\n\nB"),
        ("<!-- a\n\nb -->\n\nB", "B"),
    ],
)
def test_a_comment_that_is_not_closed_hides_nothing(source: str, expected: str) -> None:
    assert shown(source).rstrip() == expected


@pytest.mark.parametrize(
    "prose",
    [
        "export default is the usual way\nto share one thing.",
        "import the certificate from 'x' first.",
        "export const is a keyword.",
        "A line\nexport const x = 1",
    ],
)
def test_prose_about_modules_is_kept(prose: str) -> None:
    assert shown(prose) == prose


@pytest.mark.parametrize(
    "module", ["import 'a';", 'import {\n  a\n} from "b";', "export const x = {\n  a: 1\n}", "export default Layout;"]
)
def test_modules_are_left_out(module: str) -> None:
    assert shown(f"{module}\n\nText.") == "Text."


class Sources(Links):
    """Files that others include."""

    def included(self, target: str) -> str | None:
        files = {"a.rs": "// ANCHOR: q\nfn q() {}\n// ANCHOR_END: q\nfn r() {}\n", "b.md": "## B\n", "/c.js": "c()\n"}
        return files.get(target)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("```rust\n{{#include a.rs:q}}\n```", "```rust\nfn q() {}\n```"),
        ("```rust\n{{#rustdoc_include a.rs:2}}\n```", "```rust\nfn q() {}\n```"),
        ("```rust\n{{#include a.rs}}\n```", "```rust\nfn q() {}\nfn r() {}\n```"),
        ("```rust\n# use x;\nlet y = 1;\n#\n#[test]\n## z\n```", "```rust\nlet y = 1;\n#[test]\n# z\n```"),
        ("```sh\n# a comment\n```", "```sh\n# a comment\n```"),
        ("{{#include b.md}}", "## B {#b}"),
        ("A {{#title Other}}", "A"),
        ("```rust\n{{#include gone.rs}}\n```\n\nA", "A"),
        ("<<< @/c.js{1}", "```javascript\nc()\n```"),
    ],
)
def test_code_of_other_files_is_read_and_hidden_lines_are_not(source: str, expected: str) -> None:
    assert shown(source, links=Sources()).strip() == expected


def test_files_that_include_each_other_end() -> None:
    class Loop(Links):
        def included(self, target: str) -> str | None:
            return f"{{{{#include {target}}}}}\n{{{{#include {target}}}}}"

    assert shown("{{#include a.md}}", links=Loop()) == ""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Term\n: Its meaning.", "**Term**\nIts meaning."),
        ("`a`\nB\n\n:   One.\n\n    Two.\n\nAfter.", "**`a`**\n**B**\nOne.\n\nTwo.\n\nAfter."),
        ("A\n: One.\n: Two.\n\nB\n: Three.", "**A**\nOne.\nTwo.\n\n**B**\nThree."),
        ("- item\n: no definition", "- item\n: no definition"),
        (": no term", ": no term"),
    ],
)
def test_a_definition_stands_below_its_term(source: str, expected: str) -> None:
    assert shown(source) == expected


@pytest.mark.parametrize("bars", ["a | b\n-- | --\n1 | 2", "a | b |\n-- | -- |\n1 | 2 |"])
def test_a_table_without_outer_bars_gets_them(bars: str) -> None:
    assert shown(bars) == "| a | b |\n| -- | -- |\n| 1 | 2 |"


def test_a_list_can_start_at_zero() -> None:
    assert shown("0. a\n1. b") == "0. a\n1. b"


@pytest.mark.parametrize("title", ["C#", "F#", "A #1", "J#  #"])
def test_a_heading_keeps_the_signs_of_a_name(title: str) -> None:
    assert shown(f"## {title}").startswith(f"## {title.removesuffix('  #')} {{#")


@pytest.mark.parametrize(
    "front",
    [f"n: {'9' * 6000}", f"title: {'9' * 6000}", f"n: 0x{'f' * 6000}", f"n: {':1' * 3000}", f"tags: [{'1' * 5000}]"],
)
def test_front_matter_with_endless_numbers_is_read(front: str) -> None:
    assert shown(f"---\n{front}\n---\nText.") == "Text."
    assert shown(f"+++\nn = 0x{'f' * 6000}\n+++\nText.") == "Text."


def test_a_version_in_front_matter_stays_as_it_is_written() -> None:
    assert read_markdown("---\ntitle: 3.10\ndescription: null\ntags: [1.20, true]\n---\nText.").title == "3.10"
    assert read_markdown("---\ntitle: 3.10\ndescription: null\ntags: [1.20, true]\n---\nText.").tags == ("1.20",)
