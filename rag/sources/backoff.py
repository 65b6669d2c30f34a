"""When to send a failed request again: exponential backoff with jitter, and the Retry-After header."""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime

__all__ = ["delay", "retry_after"]

# A century, in seconds: whatever a server asks for, the end of the wait is a date.
_LONGEST = 3.2e9


def delay(attempt: int, *, first: float, jitter: float = 0.5) -> float:
    """Return the seconds to wait after a failed attempt.

    The delay doubles with each attempt. A random part of it is left out, so that clients that failed together do not
    try again together.

    :param attempt: the number of the attempt that failed, from 1
    :param first: the delay after the first attempt, in seconds
    :param jitter: the largest share of the delay that is left out, 0 to 1
    """
    return first * 2.0 ** (attempt - 1) * random.uniform(1.0 - jitter, 1.0)  # noqa: S311 - not a secret


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks to wait; None if it is missing or invalid.

    :param value: a number of seconds, or an HTTP date
    """
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), _LONGEST)
    try:
        return min(max(0.0, parsedate_to_datetime(text).timestamp() - time.time()), _LONGEST)
    except (ValueError, TypeError, OverflowError):
        return None
