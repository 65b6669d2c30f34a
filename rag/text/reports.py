"""The text of a bug report without what every report has: its template, its environment, its times and addresses.

Two reports of different problems that follow one template, or that paste one log format, look alike until this is gone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from rag.text.lines import one_line

__all__ = ["clean_body", "clean_title", "error_lines", "identifiers", "repeated_lines"]

# A prefix such as "[Bug]", "(docs)" or "bug:"; a module's name before a colon tells what an issue is about, and stays.
_PREFIX = re.compile(
    r"^\s*(?:[\[(【<][^\])】>\n]{1,40}[\])】>]\s*[:–-]?\s*"
    r"|(?:bug|bug report|feature|feature request|question|help|issue|enhancement|docs?|rfc|ice)\s*[:–-]\s+)+",
    re.I,
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_NOISE = re.compile(
    r"\x1b\[[0-9;]*m"  # colours of a terminal
    r"|\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?"
    r"|\b\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?\b"
    r"|\b0x[0-9a-fA-F]+\b|\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b[0-9a-f]{16,64}\b"
    r"|^[ \t]*\[?(?:TRACE|DEBUG|INFO|NOTICE)\]?[ \t:]+"
    r"|\b(?:pid|tid|thread)[ =:]*\d+\b"
    r"|!\[[^\]]*\]\([^)\s]*\)",
    re.M,
)
_HEADING = re.compile(
    r"^\s{0,3}(?:#{1,6}\s+(?P<marked>.+?)\s*#*|\*\*(?P<bold>[^*\n]{2,60})\*\*:?|(?P<plain>[A-Z][^\n:]{2,40}):)\s*$"
)
_ENVIRONMENT = re.compile(
    r"^(?:\W*)(?:your |my |system |test )?(?:environment|env|versions?|version info\w*|meta|platform|os"
    r"|operating system|system|system info\w*|software versions?|hardware|browsers?|device|setup"
    r"|(?:pre-?flight )?checklist|checks?|code of conduct|configuration"
    r"|output of .{1,40}version.{0,20})\b[\s\w/().,-]{0,40}$",
    re.I,
)
_ENVIRONMENT_LINE = re.compile(
    r"^[\s>*-]*(?:\*\*)?(?:os|operating system|platform|browser|device|arch(?:itecture)?|cpu|gpu|memory|kernel"
    r"|(?:\w+[ .-])?version|host|binary|release|commit-hash|commit-date|llvm version|node|npm|python|java|docker"
    r"|installed (?:via|from|with))(?:\*\*)?\s*[:=]\s*\S.{0,80}$",
    re.I,
)
_CHECKBOX = re.compile(r"^\s*[-*]\s*\[[ xX]\].*$")
_ERROR = re.compile(
    r"\b(?:error|exception|panicked|panic|fatal|failed|failure|traceback|assert\w*|abort\w*|segfault|segmentation"
    r"|crash\w*|undefined|cannot|unable|denied|refused|not found|unexpected|invalid|overflow)\b"
    r"|\w(?:Error|Exception)\b|\bE\d{3,5}\b",
    re.I,
)
_IDENTIFIER = re.compile(
    r"\b[A-Za-z_]\w*(?:(?:::|\.|->|/)[A-Za-z_]\w*)+\b|\b\w+_\w+\b|\b[a-z]+[A-Z]\w*\b|\b[A-Z][a-z]+[A-Z]\w*\b"
    r"|--[a-z][\w-]+|\b[A-Z]{1,4}\d{2,6}\b|`[^`\s]{2,60}`"
)
_NUMBERS = re.compile(r"\d+")
# A line is boilerplate if at least this number and this share of a repository's reports have it.
_FEWEST, _SHARE = 5, 0.03
_LONGEST_ERROR = 300


def clean_title(title: str) -> str:
    """Return a title without bracketed and other prefixes that only say the kind of report."""
    return one_line(_PREFIX.sub("", title)) or one_line(title)


def clean_body(body: str, boilerplate: frozenset[str] = frozenset()) -> str:
    """Return a body without its template, environment blocks, check boxes, time stamps, addresses and log levels.

    :param boilerplate: the lines of the repository's templates, as `repeated_lines` returns them
    """
    text = _COMMENT.sub("", body.replace("\r\n", "\n").replace("\r", "\n"))
    kept: list[str] = []
    is_environment = in_code = False
    for line in text.split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            in_code = not in_code
            continue
        found = None if in_code else _HEADING.match(line)
        if found:
            name = found["marked"] or found["bold"] or found["plain"]
            is_environment = bool(_ENVIRONMENT.match(name))
        if is_environment or _CHECKBOX.match(line) or _ENVIRONMENT_LINE.match(line) or _key(line) in boilerplate:
            continue
        kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", _NOISE.sub(" ", "\n".join(kept))).strip()


def repeated_lines(bodies: Iterable[str], templates: Iterable[str] = ()) -> frozenset[str]:
    """Return the lines, in the form that `clean_body` compares, that repeat over the reports of a repository.

    :param templates: the texts of the repository's issue templates, all of whose lines are boilerplate
    """
    total, seen = 0, Counter[str]()
    for body in bodies:
        total += 1
        # A short line, such as a brace or "thanks", repeats without a template.
        seen.update({key for line in body.splitlines() if len(key := _key(line)) > 3})
    most = max(_FEWEST, _SHARE * total)
    known = {key for text in templates for line in text.splitlines() if len(key := _key(line)) > 3}
    return frozenset(known | {key for key, count in seen.items() if count >= most})


def error_lines(text: str) -> set[str]:
    """Return the lines of a report that state an error, in lower case, with every number as 0."""
    return {
        _NUMBERS.sub("0", one_line(line).lower())
        for line in text.splitlines()
        if len(line) <= _LONGEST_ERROR and _ERROR.search(line) and len(line.split()) > 1
    }


def identifiers(text: str) -> set[str]:
    """Return the identifiers, options and error codes of a report, in lower case."""
    return {name.strip("`").lower() for name in _IDENTIFIER.findall(text)}


def _key(line: str) -> str:
    return one_line(_CHECKBOX.sub("", line)).strip("#*_:> ").lower()
