"""How attributions are drawn: as colours behind a series, or as rows of colours."""

import numpy as np

from sklstm.inspection._drawing import (
    INK,
    light_edge,
    panels_below_each_other,
    styled,
    whole_numbers,
)

# White is 0; the signs are two colours, none so dark that a line or a hatch on it is not seen; and
# what is below 0 is hatched.
SIGNS, ENDS, HATCH = "RdBu_r", (0.12, 0.88), "////"
# Columns of colours that a picture of 600 pixels has room for.
MOST_COLUMNS = 300
# What is smaller than this share of the largest, is drawn as if it were 0.
_SMALL = 0.1
# Rows that have room for a name of usual size.
_FEW_ROWS = 25


def in_bins(attributions):
    """Add up neighbouring steps, if there are more than a picture has room for.

    Parameters
    ----------
    attributions : ndarray of shape (n_timesteps, n_features)

    Returns
    -------
    sums : ndarray of shape (n_bins, n_features)
    edges : ndarray of int, of shape (n_bins + 1,)
        The steps at which bins begin and, at last, their number.
    """
    n_timesteps = len(attributions)
    width = -(-n_timesteps // MOST_COLUMNS)
    edges = np.append(np.arange(0, n_timesteps, width), n_timesteps)
    return np.add.reduceat(attributions, edges[:-1], axis=0), edges


def draw_heatmap(ax, binned, edges, labels, label, im_kw):
    """Features as rows, from top to bottom; returns the image."""
    image = _draw_colours(ax, binned.T[::-1], edges, _limit(binned), im_kw)
    size = "medium" if len(labels) <= _FEW_ROWS else "x-small"
    ax.set_yticks(np.arange(len(labels)), labels[::-1], fontsize=size)
    _draw_hatches(ax, binned.T[::-1], edges, _limit(binned))
    ax.set_xlabel(_label_of_steps(edges))
    whole_numbers(ax.xaxis, 8)
    _draw_colorbar(ax, image, label)
    return image


def draw_series(ax, colours, X, labels, label, keywords):
    """A panel a feature: its numbers, over the colours of its attributions.

    Parameters
    ----------
    ax : Axes
    colours : (ndarray of shape (n_bins, n_features), ndarray of int)
        As of `in_bins`.
    X : ndarray of shape (n_timesteps, n_features)
    labels : list of str
    label : str
        Of the bar of colours.
    keywords : (dict or None, dict or None)
        For `Axes.imshow` and `Axes.plot`.

    Returns
    -------
    panels : ndarray of Axes
    images : list of AxesImage
    lines : list of Line2D
    """
    binned, edges = colours
    im_kw, line_kw = keywords
    panels, limit = panels_below_each_other(ax, labels), _limit(binned)
    images, lines = [], []
    for panel, of_feature, numbers in zip(panels, binned.T, X.T, strict=True):
        low, high = _range_of(numbers)
        row = of_feature[np.newaxis]
        images.append(_draw_colours(panel, row, edges, limit, im_kw, (low, high)))
        _draw_hatches(panel, row, edges, limit, (low, high))
        few = {"marker": "o", "markersize": 3} if len(numbers) <= 60 else {}
        look = {"color": INK, "linewidth": 1.0 if few else 0.8, **few}
        look["path_effects"] = light_edge(2.4)
        lines += panel.plot(np.arange(len(numbers)), numbers, **styled(look, line_kw))
        panel.set(xlim=(edges[0] - 0.5, edges[-1] - 0.5), ylim=(low, high))
        panel.locator_params(axis="y", nbins=3)
    panels[-1].set_xlabel(_label_of_steps(edges))
    whole_numbers(panels[-1].xaxis, 8)
    _draw_colorbar(ax, images[0], label)
    return panels, images, lines


def _label_of_steps(edges):
    return "time step" if edges[1] == 1 else f"time step; {edges[1]} together have a colour"


def _limit(binned):
    return float(np.nanmax(np.abs(binned), initial=0)) or 1.0


def _range_of(numbers):
    known = numbers[np.isfinite(numbers)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    margin = 0.12 * (high - low) or 0.5
    return low - margin, high + margin


def _draw_colours(ax, rows, edges, limit, im_kw, heights=None):
    bottom, top = heights or (-0.5, len(rows) - 0.5)
    look = {
        "cmap": _colours(),
        "vmin": -limit,
        "vmax": limit,
        "aspect": "auto",
        "origin": "lower",
        "interpolation": "nearest",
        # The last bin may have fewer steps: it is as wide as the others, and cut off.
        "extent": (-0.5, (len(edges) - 1) * edges[1] - 0.5, bottom, top),
        **(im_kw or {}),
    }
    image = ax.imshow(rows, **look)
    ax.set_xlim(-0.5, edges[-1] - 0.5)
    return image


def _colours():
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps[SIGNS](np.linspace(*ENDS, 256)), name="attribution")


def _draw_hatches(ax, rows, edges, limit, heights=None):
    """Hatch what is below 0."""
    bottom, top = heights or (-0.5, len(rows) - 0.5)
    height = (top - bottom) / len(rows)
    sides = np.repeat(edges - 0.5, 2)[1:-1]
    for number, row in enumerate(rows):
        below = np.repeat(row < -_SMALL * limit, 2)
        if below.any():
            ax.fill_between(
                sides, bottom + number * height, bottom + (number + 1) * height, where=below,
                facecolor="none", edgecolor="0.25", hatch=HATCH, linewidth=0,
            )  # fmt: skip


def _draw_colorbar(ax, image, label):
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02, aspect=25, shrink=0.9)
    bar.set_label(label)
    low, _ = image.get_clim()
    bar.ax.axhspan(low, 0, facecolor="none", edgecolor="0.25", hatch=HATCH, linewidth=0)
