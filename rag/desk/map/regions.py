"""Regions: parts of a layout, each with a label made of the words that its points share and others lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.desk.labels import Labeller

__all__ = ["Region", "regions"]

Places = NDArray[np.float32]

_FEWEST, _MOST = 3, 28
# How many points a region has at least on average.
_POINTS = 25
_ROUNDS = 40
_SEED = 42


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a layout; x and y are the middle of its points, in the unit square."""

    label: str
    x: float
    y: float
    points: int


def regions(places: Places, texts: Sequence[str]) -> tuple[list[Region], NDArray[np.int64]]:
    """Return the regions of a layout, the largest first, and the region of each point.

    :param places: shape (n, 2)
    :param texts: what each point is about
    """
    if not len(places):
        return [], np.empty(0, dtype=np.int64)
    count = min(len(places), max(_FEWEST, min(_MOST, len(places) // _POINTS)))
    nearest = _k_means(places, count)
    sizes = np.bincount(nearest, minlength=count)
    order = np.argsort(-sizes, kind="stable")
    number = np.empty(count, dtype=np.int64)
    number[order] = np.arange(count)
    labeller = Labeller(texts)
    found = []
    for region in order[sizes[order] > 0]:
        members = np.flatnonzero(nearest == region)
        middle = np.median(places[members], axis=0)
        label = labeller.label([texts[member] for member in members.tolist()])
        found.append(Region(label, float(middle[0]), float(middle[1]), len(members)))
    return found, number[nearest]


def _k_means(places: Places, count: int) -> NDArray[np.int64]:
    """Return the nearest of `count` centres for each place, the same for the same places."""
    random = np.random.default_rng(_SEED)
    centres = places[[int(random.integers(len(places)))]]
    while len(centres) < count:
        far = _squares(places, centres).min(axis=1)
        total = float(far.sum())
        if not total:
            break
        centres = np.vstack([centres, places[random.choice(len(places), p=far / total)]])
    nearest = np.zeros(len(places), dtype=np.int64)
    for _ in range(_ROUNDS):
        before, nearest = nearest, _squares(places, centres).argmin(axis=1)
        if np.array_equal(before, nearest):
            break
        for region in range(len(centres)):
            members = places[nearest == region]
            if len(members):
                centres[region] = members.mean(axis=0)
    return nearest


def _squares(places: Places, centres: Places) -> NDArray[np.float64]:
    """Return the squared distance of each place to each centre."""
    apart = places[:, None, :].astype(np.float64) - centres[None, :, :]
    squares: NDArray[np.float64] = (apart**2).sum(axis=2)
    return squares
