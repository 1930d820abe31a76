"""Results to what the documentation includes: results.json, tables in Markdown, figures."""

import json
import math

from benchmarks.figures import draw

RESULTS = "results.json"


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
    for path in draw(results, docs / "images"):
        print("Picture:", path)


def fragment(measured):
    """The tables of a part, and what they were measured on."""
    if "curves" in measured:
        tables, ratios = [slopes(measured["curves"])], ""
    else:
        tables = [table(each) for each in measured["tables"]]
        ratios = "; × is how many times sklstm's: the median of the rounds' own ratios"
    how = f"Medians of {measured['rounds']} rounds{ratios}. {machine_line(measured['machine'])}"
    return "\n\n".join([*tables, how])


def table(content):
    """A row a workload; beside a peer's value stands how many times sklstm's it is."""
    names = list(dict.fromkeys(name for row in content["rows"] for name in row["values"]))
    header = [content["key"], *names]
    lines = [[row["label"], *(_cell(row, name) for name in names)] for row in content["rows"]]
    return f"**{content['title']}, in {content['unit']}**\n\n{_markdown(header, lines)}"


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


def _cell(row, name):
    if name not in row["values"]:
        return ""
    value = number(row["values"][name]["median"])
    if name not in row["ratios"]:
        return value
    return f"{value} ({row['ratios'][name]['median']:.2f} ×)"


def _markdown(header, lines):
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *lines))
