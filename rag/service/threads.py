"""The threads in which the engine works, so that its blocking calls do not stop the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import ParamSpec, TypeVar, cast

import anyio
import anyio.to_thread

__all__ = ["Threads"]

P = ParamSpec("P")
T = TypeVar("T")

# More would only wait for each other: the embedding model and Python itself share the cores.
_THREADS = 12


class Threads:
    """A bounded number of threads, handed out in the order of asking."""

    def __init__(self, most: int = _THREADS) -> None:
        self._limiter = anyio.CapacityLimiter(most)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a thread."""
        return await anyio.to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._limiter)

    async def each(self, pieces: Iterator[T]) -> AsyncIterator[T]:
        """Yield what a blocking generator yields, holding a thread only while it works; close it at the end."""
        try:
            while (piece := await self.run(next, pieces, None)) is not None:
                yield piece
        finally:
            with anyio.CancelScope(shield=True):
                await self.run(cast(Generator[T, None, None], pieces).close)
