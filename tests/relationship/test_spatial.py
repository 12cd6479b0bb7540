"""Kernels of distance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lmforms.errors import ArgumentError, RelationshipError
from lmforms.relationship import exponential, gaussian

PLACES = np.random.default_rng(6).uniform(0, 10, size=(20, 2))
PLACES[7] = PLACES[3]


@pytest.mark.parametrize(("kernel", "power"), [(gaussian, 2), (exponential, 1)])
def test_formula(kernel, power):
    frame = pd.DataFrame(PLACES, index=[f"p{i}" for i in range(20)])
    K = kernel(frame, 3.0)
    distance = np.sqrt(((PLACES[:, None] - PLACES[None]) ** 2).sum(axis=-1))
    np.testing.assert_allclose(K.dense(), np.exp(-((distance / 3.0) ** power)), atol=1e-14)
    assert np.linalg.eigvalsh(K.dense())[0] > -1e-14
    assert K.rank <= 19  # two levels share a place
    np.testing.assert_allclose(K.root() @ K.root().T, K.dense(), atol=1e-12)
    assert K.labels == tuple(frame.index)
    line = kernel(PLACES[:, 0], 3.0, labels=range(20))
    np.testing.assert_allclose(line.dense(), kernel(PLACES[:, :1], 3.0, labels=range(20)).dense())


@pytest.mark.parametrize("kernel", [gaussian, exponential])
@pytest.mark.parametrize(
    ("error", "places", "range_", "message"),
    [
        (ArgumentError, [0.0, 1.0], 0.0, "positive, finite number"),
        (ArgumentError, [0.0, 1.0], -2, "range_=-2"),
        (ArgumentError, [0.0, 1.0], np.nan, "range_=nan"),
        (ArgumentError, [0.0, 1.0], "far", "range_='far'"),
        (RelationshipError, [0.0, np.nan], 1.0, "not finite at 'b'"),
        (RelationshipError, [0.0], 1.0, "1 levels, but 2 labels"),
        (RelationshipError, np.zeros((2, 2, 2)), 1.0, r"must be \(q, d\)"),
        (RelationshipError, ["x", "y"], 1.0, "must consist of real numbers"),
    ],
)
def test_refused(kernel, error, places, range_, message):
    with pytest.raises(error, match=message):
        kernel(places, range_, labels="ab")


def test_labels_are_needed():
    with pytest.raises(ArgumentError, match="need labels"):
        gaussian(PLACES, 1.0)
