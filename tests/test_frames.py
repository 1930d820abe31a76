"""Columns that are not numbers are found by name, in frames of pandas and of polars."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest

from sklstm._frames import non_numeric_column, refuse_column

COUNT = np.arange(6.0)
DAYS = np.datetime64("2024-01-01", "ns") + np.arange(6) * np.timedelta64(1, "D")
LETTERS = list("abcabc")

NOT_NUMBERS = {
    "strings": pd.Series(LETTERS),
    "objects": pd.Series(LETTERS, dtype=object),
    "one word": pd.Series([1.0, 2.0, "n/a", 4.0, 5.0, 6.0], dtype=object),
    "category": pd.Series(LETTERS, dtype="category"),
    "dates": pd.Series(DAYS),
    "dates of a zone": pd.Series(DAYS).dt.tz_localize("UTC"),
    "durations": pd.Series(DAYS - DAYS[0]),
    "periods": pd.Series(pd.period_range("2024", periods=6)),
    "category of dates": pd.Series(DAYS).astype("category"),
    "Python's dates": pd.Series([datetime.date(2024, 1, 1)] * 6, dtype=object),
}
NUMBERS = {
    "float32": pd.Series(COUNT, dtype="float32"),
    "integers": pd.Series(COUNT, dtype="int8"),
    "booleans": pd.Series(COUNT > 3),
    "integers with NA": pd.Series([1, None, 3, 4, 5, 6], dtype="Int64"),
    "booleans with NA": pd.Series([True, None] * 3, dtype="boolean"),
    "sparse": pd.Series(COUNT, dtype="Sparse[float]"),
    "objects": pd.Series([1, 2.5, None, True, np.nan, decimal.Decimal(1)], dtype=object),
    "category of numbers": pd.Series([1, 2] * 3, dtype="category"),
    "strings of digits": pd.Series(["1", "2.5"] * 3),
}
TIMES = {"dates", "dates of a zone", "durations", "category of dates", "Python's dates"}


@pytest.mark.parametrize("kind", NOT_NUMBERS)
def test_a_column_of_pandas_that_is_not_numbers_is_refused_by_name(kind):
    column = NOT_NUMBERS[kind]
    frame = pd.DataFrame({"load": COUNT, "other": column, "more": LETTERS})
    assert non_numeric_column(frame).name == "other"
    assert non_numeric_column(column) is column
    mend = "take numbers from the times" if kind in TIMES else "encode them, .*OneHotEncoder"
    match = f"^X must be numbers, got dtype .* in column 'other': {mend}"
    with pytest.raises(ValueError, match=match):
        refuse_column(frame, "X")
    with pytest.raises(ValueError, match=f"^exog must be numbers, got dtype .*: {mend}") as refused:
        refuse_column(column, "exog")
    assert "column" not in str(refused.value)


@pytest.mark.parametrize("column", NUMBERS.values(), ids=NUMBERS)
def test_columns_of_pandas_that_can_be_read_as_numbers_pass(column):
    assert non_numeric_column(pd.DataFrame({"load": COUNT, "other": column})) is None
    assert non_numeric_column(column) is None


def test_repeated_and_odd_names_are_no_trouble():
    frame = pd.DataFrame([[1.0, "a"], [2.0, "b"]], columns=["load", "load"])
    assert non_numeric_column(frame).tolist() == ["a", "b"]
    frame.columns = pd.MultiIndex.from_tuples([("load", "north"), ("load", "south")])
    with pytest.raises(ValueError, match=r"in column \('load', 'south'\): encode"):
        refuse_column(frame, "X")
    with pytest.raises(ValueError, match="in column 1: encode"):
        refuse_column(pd.DataFrame([[1.0, "a"]]), "X")


def test_columns_of_polars():
    pl = pytest.importorskip("polars")
    numbers = pl.DataFrame(
        {
            "float": COUNT,
            "integers with null": [1, None, 3, 4, 5, 6],
            "booleans": COUNT > 3,
            "decimal": pl.Series(["1.5"] * 6).cast(pl.Decimal(10, 2)),
            "null": [None] * 6,
        }
    )
    assert non_numeric_column(numbers) is None
    others = {
        "encode them": [
            pl.Series("other", LETTERS),
            pl.Series("other", LETTERS, dtype=pl.Categorical),
            pl.Series("other", LETTERS, dtype=pl.Enum(["a", "b", "c"])),
            pl.Series("other", [[1.0, 2.0], [3.0]] * 3),
        ],
        "take numbers": [
            pl.Series("other", DAYS),
            pl.Series("other", DAYS).cast(pl.Date),
            pl.Series("other", DAYS - DAYS[0]),
        ],
    }
    for mend, columns in others.items():
        for column in columns:
            for X in (column, numbers.with_columns(column)):
                with pytest.raises(ValueError, match=f"got dtype .* in column 'other': {mend}"):
                    refuse_column(X, "X")


def test_arrays_of_times_are_refused_and_other_arrays_and_lists_left_to_their_checks():
    for times in (DAYS, DAYS[:, np.newaxis], DAYS - DAYS[0]):
        with pytest.raises(ValueError, match=r"^X must be numbers, got dtype .*64\[ns\]: take"):
            refuse_column(times, "X")
    for X in (COUNT, np.array(LETTERS), LETTERS, [[1.0]], np.array([COUNT, LETTERS], object)):
        assert non_numeric_column(X) is None
