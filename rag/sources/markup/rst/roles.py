"""Roles of docutils, Sphinx and its extensions as nodes, chosen by the name of the role alone."""

from __future__ import annotations

import re

from docutils import nodes, utils

from rag.sources.markup.rst.nodes import Reference

__all__ = ["read_role"]

_CODE_ROLES = re.compile(
    r"^(?:\w+:)?(?:func|meth|class|mod|attr|data|exc|obj|const|type|macro|member|struct|enum|enumerator|keyword|option|"
    r"envvar|program|file|command|kbd|samp|code|literal|token|module|function|method|attribute|py|js|c|cpp|expr|var|cls|"
    r"ref-attr|setting|djadmin|ttag|tfilter|lookup|mailheader|mimetype|makevar|dir|directive|role|regexp|signal|pyobject|"
    r"confval|event|rst|opcode|2to3fixer|cmdoption|monospace|tt|console|bash|shell|python)$"
)
_VERBATIM_ROLES = frozenset({"samp", "code", "literal", "file", "kbd"})
_TEXT_ROLES = frozenset(
    {
        "abbr",
        "abbreviation",
        "menuselection",
        "guilabel",
        "term",
        "sub",
        "sup",
        "subscript",
        "superscript",
        "dfn",
    }
)
_LINK_ROLES = frozenset({"doc", "ref", "numref", "any", "download", "std:doc", "std:ref", "external"})
_EXPLICIT_TITLE = re.compile(r"^(.+?)\s*(?<!\x00)<([^<>]*)>$", re.DOTALL)


def read_role(role: str, text: str, rawsource: str) -> nodes.Node:
    """Return the node of interpreted text.

    :param role: its name in lower case
    :param text: as docutils passes it, its backslashes as NUL
    """
    explicit = _EXPLICIT_TITLE.match(text)
    shown, target = (explicit[1], explicit[2]) if explicit else (text, text)
    plain = utils.unescape(shown).strip()
    named = utils.unescape(target).strip()
    if role in _LINK_ROLES:
        kind = role.rpartition(":")[2]
        return Reference(rawsource, plain, kind=kind, target=named.lstrip("!~"), titled=bool(explicit))
    if role in ("pep", "rfc") and named.split("#")[0].isdecimal():
        return nodes.reference(
            rawsource, plain if explicit else f"{role.upper()} {named}", refuri=_address(role, named)
        )
    if role in ("emphasis", "strong"):
        return (nodes.emphasis if role == "emphasis" else nodes.strong)(rawsource, plain)
    if role in ("math", "eq"):
        return nodes.literal(rawsource, utils.unescape(text, True))
    if role in _TEXT_ROLES:
        return nodes.inline(rawsource, utils.unescape(text) if role.startswith("abbr") else plain.replace("-->", "›"))
    if _CODE_ROLES.match(role):
        return nodes.literal(rawsource, _code(role, shown, plain, is_explicit=bool(explicit)))
    return nodes.inline(rawsource, plain if explicit else plain.lstrip("!~"))


def _address(role: str, named: str) -> str:
    if role == "pep":
        return f"https://peps.python.org/pep-{int(named.split('#')[0]):04d}/"
    return f"https://datatracker.ietf.org/doc/html/rfc{named}"


def _code(role: str, shown: str, plain: str, *, is_explicit: bool) -> str:
    """Return the code of a role: `~a.b.c` shows its last part, functions get parentheses, as in Sphinx."""
    if plain.startswith("~"):
        plain = plain[1:] if is_explicit else plain.split(".")[-1]
    is_callable = role.rpartition(":")[2] in ("func", "meth")
    parentheses = "()" if is_callable and not is_explicit and not plain.endswith(")") else ""
    code = utils.unescape(shown, True) if role in _VERBATIM_ROLES else plain.lstrip("!")
    return f"{code}{parentheses}"
