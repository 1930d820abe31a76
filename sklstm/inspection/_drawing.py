"""What displays share: matplotlib on request, colours, panels one below the other, labels."""

import numpy as np

# Colours that stay apart for the colour-blind, and by their lightness in black and white.
BLUE, ORANGE = "#0072B2", "#D55E00"
INK, SOFT = "black", "0.45"
# A line of text and what is around it, in inches.
_LINE = 0.3


def import_pyplot(caller):
    """matplotlib.pyplot, or an ImportError that says how to get it.

    Parameters
    ----------
    caller : str
        What the user called.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f'{caller} requires matplotlib. You can install it with: pip install "sklstm[plot]"'
        ) from error
    return plt


def axes_to_draw_on(ax, caller, height=3.2):
    """The Axes given, or those of a new figure of 6 inches in width.

    Parameters
    ----------
    ax : Axes or None
    caller : str
    height : float
        Of the new figure, in inches.
    """
    plt = import_pyplot(caller)
    if ax is None:
        _, ax = plt.subplots(figsize=(6, height), layout="constrained")
    return ax


def panels_below_each_other(ax, titles):
    """Cut Axes into panels with a title each, which share the axis of time.

    Parameters
    ----------
    ax : Axes
        Becomes an empty frame around the panels.
    titles : list of str

    Returns
    -------
    panels : ndarray of Axes, of shape (n_titles,)
    """
    n_panels = len(titles)
    inches = ax.get_window_extent().height / ax.figure.dpi
    gap = min(_LINE / inches, 0.6 / n_panels)
    height = (1 - gap * n_panels) / n_panels
    panels = np.empty(n_panels, dtype=object)
    for n, title in enumerate(titles):
        bottom = 1 - (n + 1) * (height + gap)
        panels[n] = ax.inset_axes((0, bottom, 1, height), sharex=panels[0] if n else None)
        panels[n].set_title(title, loc="left", fontsize="medium", pad=3)
        panels[n].tick_params(labelbottom=n == n_panels - 1)
    ax.set_axis_off()
    return panels


def whole_numbers(axis, most):
    """Let an axis have ticks at whole numbers alone, at most so many."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1))


def light_edge(width):
    """Path effects that keep a line apart from what is dark below it."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground="white")]


def styled(defaults, given):
    """Keywords of an artist: the user's, under any of their names, before the defaults."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    return {**defaults, **normalize_kwargs(given, Line2D)}


def refuse_unknown(name, value, allowed):
    """Refuse a word that is none of those allowed."""
    if value not in allowed:
        words = " or ".join(repr(each) for each in allowed)
        raise ValueError(f"{name} must be {words}, got {value!r}.")
