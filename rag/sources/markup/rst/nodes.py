"""Nodes that docutils does not have: what directives and roles of Sphinx become."""

from __future__ import annotations

from docutils import nodes

__all__ = ["Code", "Include", "Reference", "Signature", "Titled"]


class Code(nodes.literal_block):  # type: ignore[misc]
    """A block of code, with its `language` and `caption`."""


class Titled(nodes.Element):  # type: ignore[misc]
    """Blocks under a bold `label`: an admonition, a tab, a card."""


class Signature(nodes.Element):  # type: ignore[misc]
    """The description of an object under its `signatures`, which are code."""


class Include(nodes.Element):  # type: ignore[misc]
    """Code in another file: `target` is its path, `options` select lines of it."""


class Reference(nodes.TextElement):  # type: ignore[misc]
    """A link that only Sphinx can resolve: `kind` is doc, ref or download, `target` the name that it links to."""
