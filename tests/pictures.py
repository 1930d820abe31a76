"""What tests of displays share: figures that are closed again, and pixels that are seen as grey."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")

import matplotlib.pyplot as plt
from matplotlib.collections import Collection
from matplotlib.transforms import Bbox


@pytest.fixture(autouse=True)
def figures_are_closed():
    # Docs that ran before leave theirs open.
    plt.close("all")
    yield
    plt.close("all")


def lightness(cmap, n=64):
    """Of the colours of a map, from its lowest value to its highest (Rec. 709)."""
    return matplotlib.colormaps.get_cmap(cmap)(np.linspace(0, 1, n))[:, :3] @ [
        0.2126,
        0.7152,
        0.0722,
    ]


def drawn(figure):
    """The figure after it was drawn, in which positions of texts are known."""
    figure.canvas.draw()
    return figure


def overlap(first, second):
    """Whether two artists lie on each other."""
    boxes = [place(artist) for artist in (first, second)]
    return boxes[0].overlaps(boxes[1])


def place(artist):
    """The box of an artist, in pixels; older matplotlib does not know that of a band."""
    if not isinstance(artist, Collection):
        return artist.get_window_extent()
    corners = artist.get_transform().transform(artist.get_paths()[0].vertices)
    return Bbox([corners.min(axis=0), corners.max(axis=0)])


def inside(figure, artist):
    """Whether an artist is not cut off by the edge of its figure."""
    box, edge = artist.get_window_extent(), figure.bbox
    return (
        box.x0 >= edge.x0 - 1 and box.x1 <= edge.x1 + 1
        and box.y0 >= edge.y0 - 1 and box.y1 <= edge.y1 + 1
    )  # fmt: skip


__all__ = ["drawn", "figures_are_closed", "inside", "lightness", "overlap", "place", "plt"]
