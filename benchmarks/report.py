"""Results to what the documentation includes: results.json, tables in Markdown, figures."""

import json
import math
import statistics

from benchmarks.aims import reached
from benchmarks.figures import draw
from benchmarks.shapes import summary

RESULTS = "results.json"
NEVER = "—"


def save(results, docs):
    """Put some parts' results beside those of the others."""
    folder = docs / "performance"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(read(docs) | results, indent=1, ensure_ascii=False)
    (folder / RESULTS).write_text(text + "\n", encoding="utf-8")


def read(docs):
    """The results of all parts, as they were saved."""
    path = docs / "performance" / RESULTS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write(docs):
    """Make a fragment of each part, and the figures, from what was saved."""
    results = read(docs)
    for part, measured in results.items():
        path = docs / "performance" / f"{part}.md"
        path.write_text(fragment(measured) + "\n", encoding="utf-8")
        print("Table:", path)
    path = docs / "performance" / "aims.md"
    path.write_text(aims(results) + "\n", encoding="utf-8")
    print("Table:", path)
    for path in draw(results, docs / "images"):
        print("Picture:", path)


def aims(results):
    """A row an aim, and what was reached of it."""
    return _markdown(["what", "aim", "reached", "on"], reached(results))


def fragment(measured):
    """The tables of a part, and what they were measured on."""
    if "settings" in measured:
        return f"{study(measured)}\n\n{machine_line(measured['machine'])}"
    if "shapes" in measured:
        return f"{comparisons(measured)}\n\n{machine_line(measured['machine'])}"
    if "rates" in measured:
        how = f"Medians of {measured['rounds']} rounds. {machine_line(measured['machine'])}"
        return f"{deepest_dips(measured['rates'])}\n\n{how}"
    if "seeds" in measured:
        return f"{scores(measured)}\n\n{machine_line(measured['machine'])}"
    if "curves" in measured:
        tables, ratios = [slopes(measured["curves"])], ""
    else:
        tables, ratios = [table(each) for each in measured["tables"]], ""
        compared = [row for each in measured["tables"] for row in each["rows"] if row["ratios"]]
        if compared:
            whose = compared[0]["baseline"]
            ratios = f"; × is how many times that of {whose}: the median of the rounds' own ratios"
    rounds = measured["rounds"]
    medians = "One round" if rounds == 1 else f"Medians of {rounds} rounds"
    how = f"{medians}{ratios}. {machine_line(measured['machine'])}"
    return "\n\n".join([*tables, how])


def table(content):
    """A row a workload; beside other values stands how many times the baseline's they are.

    Before what was derived and not measured stands ≈. A note, if there is one, is below.
    """
    names = list(dict.fromkeys(name for row in content["rows"] for name in row["values"]))
    header = [content["key"], *names]
    lines = [[row["label"], *(_cell(row, name) for name in names)] for row in content["rows"]]
    text = f"**{content['title']}, in {content['unit']}**\n\n{_markdown(header, lines)}"
    return f"{text}\n\n{content['note']}" if content.get("note") else text


def slopes(curves):
    """How fast time grows with each size: what was fitted, beside theory's."""
    names = list(dict.fromkeys(name for curve in curves for name in curve["slopes"]))
    lines = [
        [
            curve["axis"],
            f"{curve['values'][0]} to {curve['values'][-1]}",
            f"{curve['theory']}",
            *(f"{curve['slopes'][name]:z.2f}" for name in names),
        ]
        for curve in curves
        if curve["slopes"]
    ]
    title = "**Slope of the time of an epoch on log-log axes, over the upper half of the sizes**"
    return f"{title}\n\n{_markdown(['size', 'from, to', 'theory', *names], lines)}"


def comparisons(measured):
    """A row a comparison, over all shapes; then the shapes that are lost."""
    of_all = summary(measured["shapes"])
    lines = [
        [name, f"{mean:.2f}", f"{worst:.2f}", f"{n_lost} of {count}"]
        for name, (mean, worst, n_lost, count) in of_all.items()
    ]
    slower = [each for each in measured["shapes"] if each["ratio"] < 1]
    slower.sort(key=lambda each: ([*of_all].index(each["comparison"]), each["ratio"]))
    lost = [[each["comparison"], each["label"], f"{each['ratio']:.2f}"] for each in slower]
    text = (
        f"{_markdown(['comparison', 'geometric mean', 'worst', 'lost'], lines)}\n\n"
        f"Time of the peer / time of sklstm for {measured['count']} random shapes (seed "
        f"{measured['seed']}), each the median of {measured['rounds']} rounds."
    )
    if lost:
        text += f"\n\n**What is lost**\n\n{_markdown(['comparison', 'shape', 'ratio'], lost)}"
    return text


def deepest_dips(curves):
    """A row a curve: the size whose rate is the lowest, beside its two neighbours'."""
    lines = []
    for curve in curves:
        size, dip = min(curve["dips"].items(), key=lambda item: item[1])
        share = [rate / curve["numpy"] for rate in curve["rates"]]
        largest = curve["values"][-1]
        lines.append([
            f"{curve['axis']} ({curve['others']})", f"{curve['values'][0]} to {largest}",
            f"{dip:.2f} at {size}", f"{curve['rates'][-1]:.0f}", f"{100 * share[-1]:.0f}%",
        ])  # fmt: skip
    header = ["sizes", "from, to", "deepest dip", "GFLOP/s of the largest", "of NumPy's"]
    return (
        f"{_markdown(header, lines)}\n\n"
        "A dip is the rate of a size by that of its neighbours, on a straight line between them; "
        "of units, from 64 on. Logical multiply-adds alone are counted, twice."
    )


def scores(measured):
    """A row a task: the score of each contender, and the time of an epoch."""
    names = list(measured["rows"][0]["scores"])
    header = ["task", *names, *(f"{name}, ms an epoch" for name in names)]
    lines = [
        [
            row["label"],
            *(_median_and_range(row["scores"][name], "{:.4f}") for name in names),
            *(_cell(row, name) for name in names),
        ]
        for row in measured["rows"]
    ]
    return (
        f"{_markdown(header, lines)}\n\n"
        f"Scores on held-out data: median and range of {measured['seeds']} seeds. Times: medians "
        "of the seeds; × is how many times that of sklstm, the median of the seeds' own ratios."
    )


def study(measured):
    """A row a setting: seconds until the target of each data set, and epochs."""
    sets = measured["sets"]
    header = ["setting", *(each["name"] for each in sets), "time, × the defaults'"]
    lines = []
    for setting in measured["settings"]:
        results = [setting["results"][each["name"]] for each in sets]
        ratio = _median_and_range(setting["ratios"], "{:.2f}")
        lines.append([setting["label"], *map(_until_target, results), ratio])
    targets = "; ".join(
        f"{each['name']}: {each['score']} {each['target']:.3f} within {each['epochs']} epochs "
        f"(best of any setting: {each['best']:.3f})"
        for each in sets
    )
    return (
        f"{_markdown(header, lines)}\n\n"
        "Seconds of a processor until the score on held-out data reaches the target; then epochs: "
        f"medians of {measured['seeds']} seeds, and of epochs the range. {NEVER}: most seeds never "
        "do, or, at the end of a range, the slowest. The last column is the geometric mean over "
        "the data sets, each seed beside the same seed with the defaults: median and range. There, "
        "never counts as the epochs waited for, so that a row with "
        f"{NEVER} may be slower than it says.\n\n"
        f"Targets, 95% of the way from guessing to the best score: {targets}."
    )


def machine_line(machine):
    """Where and when, in one paragraph."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['cpu']}, {machine['threads']} of {machine['cores']} cores, {machine['simd']}, "
        f"{machine['system']}; {versions}; {machine['date']}."
    )


def number(value):
    """Three digits, and never an exponent."""
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:,.{digits}f}"


def _median_and_range(values, form):
    median, low, high = (
        form.format(value) for value in (statistics.median(values), min(values), max(values))
    )
    return f"{median} ({low} to {high})" if low != high else median


def _until_target(result):
    epochs = sorted(math.inf if n is None else n for n in result["epochs"])
    if math.isinf(statistics.median(epochs)):
        return NEVER
    last = NEVER if math.isinf(epochs[-1]) else epochs[-1]
    seconds = number(statistics.median(result["seconds"]))
    return f"{seconds}; {statistics.median(epochs):.0f} ({epochs[0]} to {last})"


def _cell(row, name):
    if name not in row["values"]:
        return ""
    value = number(row["values"][name]["median"])
    if name in row.get("derived", []):
        value = f"≈ {value}"
    if name not in row["ratios"]:
        return value
    return f"{value} ({row['ratios'][name]['median']:.2f} ×)"


def _markdown(header, lines):
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *lines))
