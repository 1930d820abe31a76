"""Whether pages show what examples print: `python .ci/quoted.py docs/gallery`.

The build of the docs runs each example once, and leaves NAME.rst there, with all that it printed.

On another processor an LSTM is rounded otherwise, so that its nets may differ as those of other
seeds do, and the quickstart's search may choose other settings. Where seeds are shown, their ranges
must overlap; other results of nets may differ by the tolerance. (Without fused multiply-add, on the
same machine, they differed by 0.1 points at most, and hours by 1.)
"""

import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATA, INSIDE, MEMORY, REAL, STREAMING, EACH_STEP = (
    f"docs/user_guide/{name}.md"
    for name in ("data", "looking_inside", "long_memory", "real_data", "streaming", "each_step")
)
ROUNDING = 0.011  # two digits after the point are shown
ALL, ENDS, OVERLAP = "all", "ends", "overlap"
SHARES = r"(\S+)% \| (\S+)% \| (\S+)% \| (\S+)% \|"
PRINTED_SHARES = r" +(\S+)% +(\S+)% +(\S+)% +(\S+)% "
SENSOR_NETS = {
    "LSTM": ("LSTM", 1, 0.005),
    "LSTM, on the months that it learnt": ("LSTM, on what it learnt", 1, 0.005),
    "LSTM, on every fifth fortnight, left out": ("LSTM, every fifth fortnight", 1, 0.005),
}
# What stands before a column, on the page and in the output; by how much it may differ.
SENSOR_COLUMNS = [
    (rf"(?: \S+ \|){{{n}}}", rf"(?: +\S+){{{n}}}", 0.002 if n == 4 else 0.5) for n in range(5)
]
SENSOR_ROWS = SENSOR_NETS | {
    "the usual quantiles of the hour and kind of day": ("hour and kind of day", 0.01, 0.0001),
}
SEEDS = r"from (\S+)% to (\S+)%$"
RANGE = r"(\d+) to (\d+)"
MONITOR_ROWS = {"a limit on the temperature": "temperature", "LSTM, step by step": "LSTM"}
PHASES_ROWS = {
    "trees": r"trees, \d+ steps",
    "LSTM": "LSTM",
    "LSTM, `bidirectional=True`": "LSTM, both directions",
}
# What stands before a start of the forget gates in a row of memory spans, on the page.
SPANS_STARTS = {"1.0": "", "chrono": r" \S+ \(\S+ to \S+\) \| \d of 5 \|"}
VOWELS_ROWS = {
    "one direction": "one direction",
    """one direction, `pooling="mean"`""": "one direction, mean over time",
    "`bidirectional=True`": "both directions",
    """`bidirectional=True`, `pooling="mean"`""": "both, mean over time",
    "the same, `dropout=0.2`, `recurrent_dropout=0.2`": "both, mean, dropout 0.2",
}
# Example, page, numbers of the page, of the output, what of them is compared, tolerance.
QUOTED = [
    ("quickstart", "README.md", r"^persistence +(\d\S+)", r"^persistence +(\d\S+)", ALL, ROUNDING),
    ("quickstart", "README.md", r"^Ridge +(\d\S+)", r"^Ridge +(\d\S+)", ALL, ROUNDING),
    *(("quickstart", "README.md", rf"^{name} +\S+ +(\d\S+)",
       rf"^{name} +\S+ +(\d\S+)", ALL, ROUNDING)
      for name in ("persistence", "Ridge", "LSTM")),
    ("quickstart", "README.md", r"^LSTM +(\d\S+) ", r"^LSTM +(\d\S+) ", ALL, 1.5),
    ("quickstart", "README.md", r"^LSTM .* from (\S+) to (\S+)$",
     r"^LSTM .* from (\S+) to (\S+)$", OVERLAP, ROUNDING),
    ("digits", REAL, r"as it is: (\S+)% by stratified", r"row by row +(\S+)%", ALL, 0.5),
    ("digits", REAL, r"of five seeds, (\S+)% to (\S+)%\), where",
     rf"row by row .*{SEEDS}", OVERLAP, 0.2),
    ("digits", REAL, r"regression\s+reaches (\S+)%", r"regression +(\S+)%", ALL, 0.11),
    ("digits", REAL, r"standardised, they give\s+(\S+)%", r"standardised +(\S+)%", ALL, 0.5),
    ("digits", REAL, r"they give\s+\S+% \((\S+)% to (\S+)%\)",
     rf"standardised .*{SEEDS}", OVERLAP, 0.2),
    ("digits", DATA, r"accuracy is then (\S+)% \(", r"row by row +(\S+)%", ALL, 1),
    ("digits", DATA, r"then \S+% \((\S+)% to (\S+)%\) instead",
     rf"row by row .*{SEEDS}", OVERLAP, 0.2),
    ("digits", DATA, r"instead of (\S+)% \(", r"standardised +(\S+)%", ALL, 1),
    ("digits", DATA, r"instead of \S+% \((\S+)% to (\S+)%;",
     rf"standardised .*{SEEDS}", OVERLAP, 0.2),
    ("japanese_vowels", REAL, r"vowels, (\d+) to (\d+) time steps", r"^of (\d+) to (\d+) ", ALL, 0),
    ("japanese_vowels", REAL, r"On the (\d+) of the", r"learn from, (\d+) to be", ALL, 0),
    ("japanese_vowels", REAL, r"within the (\d+) of the", r"^(\d+) utterances", ALL, 0),
    ("japanese_vowels", REAL, r"of five seeds is (\S+)%", r"test part: (\S+)%", ALL, 1),
    ("japanese_vowels", REAL, r"seeds is \S+% \((\S+)% to (\S+)%\)", rf"test part: .*{SEEDS}",
     OVERLAP, 0.11),
    *(("japanese_vowels", REAL, rf"^\| {re.escape(shown)} \| (\S+)% \|",
       rf"^{printed} {{2,}}(\S+)% ", ALL, 1) for shown, printed in VOWELS_ROWS.items()),
    *(("japanese_vowels", REAL, rf"^\| {re.escape(shown)} \| \S+ \| (\S+)% \| (\S+)% \|$",
       rf"^{printed} {{2,}}\S+% +{SEEDS}", OVERLAP, 0.11)
      for shown, printed in VOWELS_ROWS.items()),
    *(("sensor_quantiles", REAL, rf"^\| {shown} \| {SHARES}",
       rf"^{printed}{PRINTED_SHARES}", ALL, points)
      for shown, (printed, points, _) in SENSOR_ROWS.items()),
    *(("sensor_quantiles", REAL, rf"^\| {shown} \|.* (\S+) \|$",
       rf"^{printed} +\d.* (\S+)$", ALL, loss)
      for shown, (printed, _, loss) in SENSOR_ROWS.items()),
    *(("sensor_quantiles", REAL,
       rf"^\| {shown} \|.*\n\| from \|{of} (\S+?)%? \|.*\n\| to \|{of} (\S+?)%? \|",
       rf"^{printed} +\d.*\n  from{on} +([\d.]+)%?.*\n  to{on} +([\d.]+)%?", OVERLAP, tolerance)
      for shown, (printed, *_) in SENSOR_NETS.items()
      for of, on, tolerance in SENSOR_COLUMNS),
    ("sensor_quantiles", REAL, r"falls from (\S+)% for the next", r" 12\n *(\d+)%", ALL, 1),
    ("sensor_quantiles", REAL, r"hour to (\d+) to (\d+)% from the fifth",
     r" 12\n(?: *\d+%){4}(.*)$", ENDS, 1),
    *(("live_monitor", STREAMING, rf"^\| {shown} \| {RANGE} \| \S+ to \S+ \|",
       rf"^{printed} +(\d+) false", OVERLAP, 1) for shown, printed in MONITOR_ROWS.items()),
    *(("live_monitor", STREAMING, rf"^\| {shown} \| \S+ to \S+ \| {RANGE} \|",
       rf"^{printed} .* (\d+) pumps", OVERLAP, 5) for shown, printed in MONITOR_ROWS.items()),
    *(("live_monitor", STREAMING, rf"^\| {shown} \| .* {RANGE} steps \|$",
       rf"^{printed} .* (\d+) steps late", OVERLAP, 50) for shown, printed in MONITOR_ROWS.items()),
    *(("label_each_step", EACH_STEP, rf"^\| {shown} \| \S+% \((\S+)% to (\S+)%\) \|$",
       rf"^{printed} +(\S+)%$", OVERLAP, 1) for shown, printed in PHASES_ROWS.items()),
    ("variable_length", DATA, r"careers of (\d+) to (\d+) seasons",
     r"^of (\d+) to (\d+) seasons", ALL, 0),
    *(("what_mattered", INSIDE,
       rf"^\| {gap} \|{before} \S+ \((\S+) to (\S+)\) \| \d of 5 \|",
       rf"^ +{gap} +{start} +\S+ +(\S+) +(\S+) ", OVERLAP, 0.11)
      for start, before in SPANS_STARTS.items() for gap in (2, 10, 40)),
    *(("what_mattered", INSIDE,
       rf"^\| {gap} \|{before} \S+ \(\S+ to \S+\) \| (\d) of 5 \|",
       rf"^ +{gap} +{start} .* (\d) of 5$", ALL, 2)
      for start, before in SPANS_STARTS.items() for gap in (2, 10, 40)),
    ("adding_problem", MEMORY, r"mean has a mean squared error of (\S+)\.$",
     r"mean has an error of (\S+)\. ", ALL, 0),
    *(("adding_problem", MEMORY, rf"^\| {steps} \| (\S+) \| (\S+) \| \d epoch \|",
       rf"^ +{steps} +0 +(\S+) ", OVERLAP, 0.00003) for steps in (100, 200, 400)),
    *(("adding_problem", MEMORY, rf"^\| {steps} \| \S+ \| \S+ \| (\d) epoch \|",
       rf"^ +{steps} .* (\d+) epochs ", ALL, 1) for steps in (100, 200, 400)),
    ("latch", MEMORY, r"^\| 1 \| \S+ \| (\S+)% to (\S+)% \| never", r"^ +1 +0 +(\S+)% +never",
     OVERLAP, 2),
    ("latch", MEMORY, r"^\| 5 \| \S+ \| (\S+)% to (\S+)% \|", r"^ +5 +0 +(\S+)%", OVERLAP, 2),
    ("latch", MEMORY, r'^\| "chrono" \| (\S+)% \|', r"^ +chrono +0 +(\S+)%", ALL, 0.5),
    ("latch", MEMORY, r'^\| "chrono" \| .* \| (\d+) to (\d+) epochs',
     r"^ +chrono .* (\d+) epochs", OVERLAP, 1),
]  # fmt: skip


def main(folder):
    """End with what differs, if anything does."""
    examples = dict.fromkeys(example for example, *_ in QUOTED)
    pages = {name: (folder / f"{name}.rst").read_text(encoding="utf-8") for name in examples}
    outputs = {name: printed(page) for name, page in pages.items()}
    if wrong := [line for name in examples for line in differences(name, outputs[name])]:
        sys.exit("\n".join(wrong))


def printed(page):
    """What an example has printed, of the page that sphinx-gallery made of it."""
    blocks = re.findall(
        r"^\.\. rst-class:: sphx-glr-script-out\n\n \.\. code-block:: none\n\n((?: {4}.*\n|\n)+)",
        page,
        re.MULTILINE,
    )
    return "\n".join(textwrap.dedent(block).strip("\n") for block in blocks) + "\n"


def differences(example, output):
    """What the pages show otherwise than an example prints it."""
    for name, page, on_page, in_output, compared, tolerance in QUOTED:
        if name != example:
            continue
        shown = numbers(on_page, (ROOT / page).read_text(encoding="utf-8"))
        printed = numbers(in_output, output)
        if not agree(shown, printed, compared, tolerance):
            yield f"{example} prints {printed} ({in_output}); {page} shows {shown} ({on_page})."


def numbers(pattern, text):
    """The numbers in all groups of the place that matches; none if that is not one place."""
    places = [" ".join(place.groups()) for place in re.finditer(pattern, text, re.MULTILINE)]
    found = re.findall(r"\d+(?:\.\d+)?", places[0]) if len(places) == 1 else []
    return [float(number) for number in found]


def agree(shown, printed, compared, tolerance):
    """Whether numbers of the page and of the output are there, and close enough."""
    if not (shown and printed):
        return False
    if compared == OVERLAP:
        return min(printed) <= max(shown) + tolerance and max(printed) >= min(shown) - tolerance
    if compared == ENDS:
        shown, printed = [min(shown), max(shown)], [min(printed), max(printed)]
    pairs = zip(shown, printed, strict=False)
    return len(shown) == len(printed) and all(abs(a - b) <= tolerance + 1e-9 for a, b in pairs)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
