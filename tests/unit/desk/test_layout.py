"""Layouts: similar vectors are near each other, and the same vectors always have the same places."""

from __future__ import annotations

import numpy as np
import pytest

from rag.desk.map.layout import Method, available, laid_out
from rag.desk.map.regions import regions
from rag.errors import ConfigurationError
from tests.unit.desk.test_clusters import around

GROUPS = np.concatenate([around(topic, 30) for topic in range(3)])


@pytest.mark.parametrize("method", ["pca", "umap", "tsne"])
def test_groups_of_vectors_are_groups_of_points(method: Method) -> None:
    if not available(method):
        pytest.skip("the extra `map` is not installed")
    places = laid_out(GROUPS, method)
    assert places.shape == (90, 2)
    assert (places >= 0).all()
    assert (places <= 1).all()
    middles = places.reshape(3, 30, 2).mean(axis=1)
    within = np.linalg.norm(places.reshape(3, 30, 2) - middles[:, None], axis=2).mean()
    apart = np.linalg.norm(middles[:, None] - middles[None], axis=2)[np.triu_indices(3, 1)].min()
    assert apart > 2 * within
    assert np.array_equal(places, laid_out(GROUPS, method))


def test_a_method_without_its_package_says_what_to_install() -> None:
    if available("tsne"):
        pytest.skip("openTSNE is installed")
    with pytest.raises(ConfigurationError, match="pip install openTSNE"):
        laid_out(GROUPS, "tsne")


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_few_vectors_have_places(count: int) -> None:
    assert laid_out(GROUPS[:count], "pca").shape == (count, 2)


def test_regions_have_labels_of_what_their_points_share() -> None:
    places = np.repeat(np.array([[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]], np.float32), 30, axis=0)
    texts = [f"{word} number {n}" for word in ("backup", "vacuum", "index") for n in range(30)]
    found, region_of = regions(places, texts)
    assert {region.label.split(" ")[0] for region in found} == {"backup", "vacuum", "index"}
    assert [len(set(region_of[start : start + 30].tolist())) for start in (0, 30, 60)] == [1, 1, 1]
