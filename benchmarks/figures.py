"""Figures of ratios and of growth. Without matplotlib, none are drawn, which is said."""

# Okabe and Ito's colours, which colour-blind eyes tell apart.
COLORS = {
    "sklstm": "#0072B2",
    "PyTorch": "#D55E00",
    "PyTorch float64": "#D55E00",
    "PyTorch float32": "#E69F00",
    "Keras on JAX": "#009E73",
    "ONNX Runtime": "#CC79A7",
}
BAR = 0.26  # inches
TIMES = "time of the peer / time of sklstm"


def draw(results, folder):
    """Draw what there are results of; returns the paths of the pictures."""
    try:
        import matplotlib
    except ImportError:
        print("No figures: matplotlib is not installed")
        return []
    matplotlib.use("agg")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [part for part in ("training", "prediction") if part in results]
    pictures = {part: results[part]["tables"] for part in wanted}
    tasks = _tasks(results)
    if tasks["rows"]:
        pictures["tasks"] = [tasks]
    paths = []
    for name, tables in pictures.items():
        paths.append(folder / f"performance_{name}.png")
        _save(draw_ratios(tables), paths[-1])
    if "shapes" in results:
        paths.append(folder / "performance_shapes.png")
        _save(draw_shapes(results["shapes"]["shapes"]), paths[-1])
    if "edges" in results:
        paths.append(folder / "performance_edges.png")
        _save(draw_rates(results["edges"]["rates"]), paths[-1])
    if "scaling" in results:
        paths.append(folder / "performance_scaling.png")
        _save(draw_scaling(results["scaling"]), paths[-1])
    return paths


def draw_ratios(tables):
    """Bars of the ratios of each row, one plot a table; whiskers are quartiles."""
    import matplotlib.pyplot as plt

    sizes = [sum(len(row["ratios"]) + 1 for row in table["rows"]) for table in tables]
    figure, plots = plt.subplots(
        len(tables), 1, figsize=(9, BAR * sum(sizes) + 1.3 * len(tables)), height_ratios=sizes,
        squeeze=False, layout="constrained",
    )  # fmt: skip
    ratios = [
        ratio for table in tables for row in table["rows"] for ratio in row["ratios"].values()
    ]
    limits = (
        min([0.8, *(ratio["low"] / 1.35 for ratio in ratios)]),
        max([2, *(ratio["high"] * 1.35 for ratio in ratios)]),
    )
    for axes, table in zip(plots[:, 0], tables, strict=True):
        _bars(axes, table["rows"])
        axes.set_xscale("log")
        axes.set_xlim(limits)
        _one_two_five(axes.xaxis)
        axes.set_title(table["title"], fontsize=11, loc="left", pad=26)
        axes.set_xlabel(f"{table.get('ratio', TIMES)} (right of the line, sklstm is ahead)")
        axes.set_ylabel(table["key"])
        axes.legend(
            *_once(axes), ncols=4, frameon=False, loc="lower left", bbox_to_anchor=(0, 1),
            borderaxespad=0,
        )  # fmt: skip
    return figure


def draw_shapes(shapes):
    """A point a shape and comparison: ratio against units times rows."""
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(each["comparison"] for each in shapes))
    figure, plots = plt.subplots(
        1, len(names), figsize=(3 * len(names), 3.4), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axes, name in zip(plots[0], names, strict=True):
        some = [each for each in shapes if each["comparison"] == name]
        peer = name.rpartition(", ")[2]
        axes.scatter(
            [each["units_times_rows"] for each in some], [each["ratio"] for each in some],
            s=16, color=COLORS[peer],
        )  # fmt: skip
        axes.axhline(1, color="black", linewidth=1)
        axes.set_xscale("log")
        axes.set_yscale("log")
        _one_two_five(axes.yaxis)
        axes.set_title(name, fontsize=10, loc="left")
        axes.set_xlabel("units times rows")
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    plots[0, 0].set_ylabel("time of the peer / time of sklstm")
    return figure


def draw_rates(curves):
    """A plot a curve: the rate of each size, and NumPy's of large matrices."""
    import matplotlib.pyplot as plt

    figure, plots = plt.subplots(
        1, len(curves), figsize=(4.6 * len(curves), 3.3), squeeze=False, layout="constrained"
    )
    for axes, curve in zip(plots[0], curves, strict=True):
        axes.plot(
            curve["values"], curve["rates"], marker="o", markersize=3, color=COLORS["sklstm"],
            label="an epoch of sklstm",
        )  # fmt: skip
        axes.axhline(curve["numpy"], color="black", linewidth=1, label="NumPy, large matrices")
        axes.set_ylim(0, None)
        axes.set_xlabel(curve["axis"])
        axes.set_title(curve["others"], fontsize=10, loc="left")
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    plots[0, 0].set_ylabel("GFLOP/s")
    plots[0, -1].legend(frameon=False, loc="lower right")
    return figure


def _bars(axes, rows):
    position, ticks = 0, []
    for row in rows:
        start = position
        for name, ratio in row["ratios"].items():
            median = ratio["median"]
            axes.barh(
                position, median - 1, left=1, height=0.9, color=COLORS[name], label=name,
                xerr=[[median - ratio["low"]], [ratio["high"] - median]],
                error_kw={"ecolor": "0.25", "elinewidth": 1},
            )  # fmt: skip
            ahead = median >= 1
            axes.annotate(
                f"{median:.2f}" if median < 10 else f"{median:.1f}",
                (ratio["high"] if ahead else ratio["low"], position),
                xytext=(4 if ahead else -4, 0), textcoords="offset points", va="center",
                ha="left" if ahead else "right", fontsize=8,
            )  # fmt: skip
            position += 1
        ticks.append(((start + position - 1) / 2, row["label"]))
        position += 1
    axes.axvline(1, color="black", linewidth=1)
    axes.set_ylim(position - 0.9, -0.9)
    axes.set_yticks(*zip(*ticks, strict=True))
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _one_two_five(axis):
    """Ticks of a logarithmic axis, in plain numbers."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def _once(axes):
    """Handles and labels of a legend, each label once."""
    handles, labels = axes.get_legend_handles_labels()
    legend = dict(zip(labels, handles, strict=True))
    return legend.values(), legend.keys()


def _tasks(results):
    """One table of what has a row or two each: its ratios are of time, or of memory."""
    wanted = {
        "latency": ["a prediction of one row"],
        "search": ["a grid search of 24 fits"],
        "process": ["a whole process, kernels cached", "a whole process, compiling"],
        "peak_memory": ["peak memory, 2 x 256 units"],
    }
    rows = [
        row | {"label": label}
        for part, labels in wanted.items()
        if part in results
        for label, row in zip(labels, results[part]["tables"][0]["rows"], strict=False)
    ]
    title = "One row, a search, a process, memory"
    ratio = "time or memory of the peer / of sklstm"
    return {"title": title, "key": "", "ratio": ratio, "rows": rows}


def draw_scaling(scaling):
    """A plot for each size; beside each curve a line of theory's slope."""
    import matplotlib.pyplot as plt

    curves = [curve for curve in scaling["curves"] if len(curve["values"]) > 1]
    columns = 3 if len(curves) > 4 else 2
    count = -(-len(curves) // columns)
    figure, plots = plt.subplots(
        count, columns, figsize=(3.8 * columns, 3.3 * count), squeeze=False, layout="constrained"
    )
    for axes, curve in zip(plots.flat, curves, strict=False):
        _growth(axes, curve, scaling["unit"])
    for axes in plots.flat[len(curves) :]:
        axes.axis("off")
    place = plots.flat[len(curves)] if len(curves) < plots.size else plots[0, 0]
    place.legend(*_once(plots[0, 0]), frameon=False, loc="center")
    named = {"inputs", *(curve["axis"] for curve in curves)}
    sizes = ", ".join(
        f"{name} {size[0] if name == 'units' else size}"
        for name, size in scaling["base"].items()
        if name in named
    )
    figure.suptitle(f"Time of an epoch as one size changes; the others are {sizes}", fontsize=11)
    return figure


def _growth(axes, curve, unit):
    sizes = curve["values"]
    for name, marker in zip(curve["points"][0]["values"], "os^", strict=False):
        spreads = [point["values"][name] for point in curve["points"]]
        medians = [spread["median"] for spread in spreads]
        axes.fill_between(
            sizes, [spread["low"] for spread in spreads], [spread["high"] for spread in spreads],
            color=COLORS[name], alpha=0.2, linewidth=0,
        )  # fmt: skip
        axes.plot(sizes, medians, marker=marker, markersize=4, color=COLORS[name], label=name)
    for name in curve["points"][0]["values"]:
        last = curve["points"][-1]["values"][name]["median"]
        theory = [last * (size / sizes[-1]) ** curve["theory"] for size in sizes]
        axes.plot(
            sizes, theory, color="0.5", linewidth=1, linestyle="--", zorder=0,
            label="theory's slope, through the last point",
        )  # fmt: skip
    values = [value for point in curve["points"] for value in point["values"].values()]
    axes.set_xscale("log")
    axes.set_yscale("log")
    # Theory's line may leave the plot: it is the measured times that are to be seen.
    axes.set_ylim(
        min(value["low"] for value in values) / 2, max(value["high"] for value in values) * 2
    )
    _one_two_five(axes.yaxis)
    _one_two_five(axes.xaxis)
    axes.set_xticks(sizes, [str(size) for size in sizes], fontsize=8)
    axes.set_xlabel(curve["axis"])
    axes.set_ylabel(f"time of an epoch ({unit})")
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure, path):
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=120)
    plt.close(figure)
