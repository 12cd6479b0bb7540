"""Pictures look as they did when somebody last looked at them.

`python tests/plot/pictures.py` draws the stored ones anew; look at each before it is committed.
"""

from __future__ import annotations

import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
compare = pytest.importorskip("matplotlib.testing.compare")
pictures = pytest.importorskip("pictures")

LARGEST_DIFFERENCE = 12.0
"""Root mean square of 255: fonts and antialiasing make a few, another picture 30 and more."""


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_pictures_look_as_they_did(name, tmp_path):
    if pictures.this_version() != pictures.made_by():
        pytest.skip(f"stored pictures are of matplotlib {pictures.made_by()}")
    drawn = tmp_path / f"{name}.png"
    pictures.draw(name, drawn)
    message = compare.compare_images(
        str(pictures.STORED / f"{name}.png"), str(drawn), LARGEST_DIFFERENCE
    )
    assert message is None, message


def test_another_picture_would_be_noticed(tmp_path):
    import matplotlib.pyplot as plt
    from matplotlib.image import imread, imsave

    stored = imread(pictures.STORED / "shrinkage.png")
    empty = stored.copy()
    empty[20:-20, 20:-20, :3] = 1.0  # the figure without what is drawn
    imsave(tmp_path / "empty.png", empty)
    plt.close("all")
    found = compare.compare_images(
        str(pictures.STORED / "shrinkage.png"), str(tmp_path / "empty.png"), LARGEST_DIFFERENCE
    )
    assert found is not None
