"""The look that the settings give the page and the widget: title, colour, logo and what readers are told."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from rag.errors import ConfigurationError, RagError
from rag.settings import GitHubConfig, Settings

__all__ = ["Brand", "brand_of"]

_PUBLIC_API = "api.github.com"


@dataclass(frozen=True, slots=True)
class Brand:
    """What the pages say and look like."""

    title: str
    examples: tuple[str, ...]
    color: str
    notice: str
    logo: Path | None
    #: the page on which an issue is opened; None without a GitHub source
    new_issue: str | None

    @property
    def logo_type(self) -> str:
        """The media type of the logo."""
        return mimetypes.guess_type(self.logo.name)[0] or "" if self.logo else ""

    @property
    def stylesheet(self) -> str:
        """The CSS of the colour."""
        return f":root {{ --brand: {self.color}; --brand-ink: {self.ink}; }}\n"

    @property
    def ink(self) -> str:
        """Black or white: the colour of text that is readable on the brand's colour."""
        return "#ffffff" if _luminance(self.color) < _MIDDLE else "#000000"

    def issue_url(self, question: str) -> str | None:
        """Return the address that opens an issue with a question."""
        if self.new_issue is None:
            return None
        body = f"The documentation and the existing issues do not answer this question:\n\n> {question}\n"
        return f"{self.new_issue}?{urlencode({'title': question, 'body': body})}"


# The luminance on which black and white text have the same contrast.
_MIDDLE = 0.179


def brand_of(settings: Settings) -> Brand:
    """Return the look that settings describe.

    :raises ConfigurationError: the logo is not an image file
    """
    logo = settings.web_logo
    if logo and not (logo.is_file() and (mimetypes.guess_type(logo.name)[0] or "").startswith("image/")):
        raise ConfigurationError(f"RAG_WEB_LOGO: {logo} is not an image file.")
    return Brand(
        settings.web_title,
        settings.web_examples,
        settings.web_color,
        settings.web_notice,
        logo,
        _new_issue(settings),
    )


def _new_issue(settings: Settings) -> str | None:
    try:
        repos = [source.repo for source in settings.sources if isinstance(source, GitHubConfig)]
    except RagError:  # the page is asked without a sources file, too
        return None
    if not repos:
        return None
    api = urlsplit(settings.github_api_url)
    site = "https://github.com" if api.hostname == _PUBLIC_API else f"{api.scheme}://{api.netloc}"
    return f"{site}/{repos[0]}/issues/new"


def _luminance(color: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2 defines it."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
