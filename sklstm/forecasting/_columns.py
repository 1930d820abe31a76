"""Columns as numbers: those of words one-hot, as they were seen in fit."""

from typing import Any

import numpy as np

from sklstm._frames import place, quoted, refuse_column

_WORDS = "categor", "enum", "str", "utf8"
# So many words may be in a column of few rows.
_MANY_WORDS = 20


class ColumnEncoder:
    """Turns tables into matrices.

    Parameters
    ----------
    tables : list of Table
        Those of fit, all of the same columns.
    handle_unknown : {"error", "ignore"}
        What becomes of words that these have not, as in OneHotEncoder.
    """

    def __init__(self, tables, handle_unknown):
        self.labels = tables[0].labels
        self._named = tables[0].array is None
        self._handle_unknown = handle_unknown
        self.categories: dict[Any, list] = {}
        for table in tables[1:]:
            self._check_columns(table, tables[0].name)
        for i, label in enumerate(self.labels):
            columns = [self._column(table, label, i) for table in tables]
            if any(is_words(column) for column in columns):
                self.categories[label] = words = _all_words(columns)
                n_rows = sum(map(len, columns))
                if len(words) > max(_MANY_WORDS, n_rows / 2) and not _are_declared(columns[0]):
                    raise ValueError(
                        f"{tables[0].name} must have words that come again, got {len(words)} "
                        f"different ones in {n_rows} rows of column {quoted(label)}: if they are "
                        "times, make an index of them, for example with pandas.to_datetime; if "
                        "they say which series a row is of, pass a dict of tables."
                    )

    @property
    def width(self):
        """Columns of a matrix."""
        return sum(self._width(label) for label in self.labels)

    @property
    def names(self):
        """What the columns of a matrix are called."""
        return [
            name
            for label in self.labels
            for name in (
                [f"{label}_{word}" for word in self.categories[label]]
                if label in self.categories
                else [label]
            )
        ]

    def _width(self, label):
        return len(self.categories[label]) if label in self.categories else 1

    def place(self, label):
        """Where a column is in a matrix."""
        before = self.labels[: self.labels.index(label)]
        return sum(self._width(each) for each in before)

    def matrix(self, table):
        """A table as numbers, NaN where there is none: (n_rows, width), not copied if it is that.

        Parameters
        ----------
        table : Table

        Returns
        -------
        matrix : ndarray of float32, if all numbers are, or float64
        """
        self._check_columns(table, "fit")
        if table.array is not None:
            matrix = table.array
        else:
            parts = [
                self._numbers(table, label, self._column(table, label, i))
                for i, label in enumerate(self.labels)
            ]
            numbers = [p.dtype for p, at in zip(parts, self.labels, strict=True)
                       if at not in self.categories]  # fmt: skip
            dtype = np.result_type(*numbers) if numbers else np.dtype(np.float64)
            matrix = np.column_stack(parts).astype(dtype, copy=False)
        self._refuse_infinity(table, matrix)
        return matrix

    def _column(self, table, label, i):
        by_name = self._named and len(self.labels) > 1
        return table.columns[table.labels.index(label) if by_name else i]

    def _check_columns(self, table, whose):
        if self._named != (table.array is None):
            kinds = "a table with names", "an array"
            wanted, got = kinds if self._named else kinds[::-1]
            raise ValueError(f"{table.name} must be {wanted}, as {whose} had, got {got}.")
        if len(self.labels) == len(table.labels) == 1 and not hasattr(table.given, "columns"):
            # A Series may have lost its name.
            return
        if not self._named:
            if len(table.labels) != len(self.labels):
                raise ValueError(
                    f"{table.name} must have {len(self.labels)} columns, as {whose} had, got "
                    f"{len(table.labels)}."
                )
            return
        missing = [label for label in self.labels if label not in table.labels]
        unknown = [label for label in table.labels if label not in self.labels]
        if missing or unknown:
            differences = [f"lacks {missing}"] * bool(missing) + [f"has {unknown}"] * bool(unknown)
            raise ValueError(
                f"{table.name} must have the columns of {whose}, {self.labels}, but it "
                f"{' and '.join(differences)}."
            )

    def _numbers(self, table, label, column):
        if label in self.categories:
            return self._one_hot(table, label, column)
        if is_words(column):
            raise ValueError(
                f"{table.name} must have numbers in column {quoted(label)}, as in fit, got dtype "
                f"{column.dtype}."
            )
        return _as_floats(column, table.name)

    def _one_hot(self, table, label, column):
        words = _words(column)
        places = {word: i for i, word in enumerate(self.categories[label])}
        unknown = [word for word in dict.fromkeys(words) if word is not None and word not in places]
        if unknown and self._handle_unknown == "error":
            raise ValueError(
                f"{table.name} has {unknown} in column {quoted(label)}, which fit has not seen: "
                "leave such rows out, or set handle_unknown='ignore', which reads them as none of "
                f"{self.categories[label]}."
            )
        codes = np.array([-2 if word is None else places.get(word, -1) for word in words])
        one_hot = (codes[:, np.newaxis] == np.arange(len(places))).astype(np.float32)
        one_hot[codes == -2] = np.nan
        return one_hot

    def _refuse_infinity(self, table, matrix):
        infinite = np.isinf(matrix)
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            where = place(table.given, row, min(column, len(table.labels) - 1))
            if matrix.shape[1] != len(table.labels) or table.array is None:
                where = f"{table.times.label(row)}, column {quoted(self.names[column])}"
            raise ValueError(f"{table.name} contains infinity, first in {where}: replace it.")


def is_words(column):
    """Whether a column holds words, or categories, to be read one-hot."""
    dtype = str(column.dtype).lower()
    if dtype.startswith(_WORDS):
        return True
    if dtype != "object":
        return False
    known = [each for each in column.to_list() if each is not None and each == each]
    return bool(known) and all(isinstance(each, str) for each in known)


def _words(column):
    """The entries of a column, None where there is none."""
    return [None if each is None or each != each else each for each in column.to_list()]


def _all_words(columns):
    """The categories of a column, in their order: those that a dtype says, or those that occur."""
    found: dict[Any, None] = {}
    for column in columns:
        if _are_declared(column):
            found.update(dict.fromkeys(column.dtype.categories.tolist()))
        else:
            occurring = {word for word in _words(column) if word is not None}
            found.update(dict.fromkeys(sorted(occurring, key=str)))
    return list(found)


def _are_declared(column):
    """Whether a type says which words there may be."""
    return hasattr(column, "iloc") and hasattr(column.dtype, "categories")


def _as_floats(column, name):
    if hasattr(column, "iloc"):
        dtype = np.float32 if str(column.dtype).lower() == "float32" else np.float64
        refuse_column(column, name)
        return column.to_numpy(dtype=dtype, na_value=np.nan)
    if hasattr(column, "null_count"):
        is_single = str(column.dtype) == "Float32"
        if not (column.dtype.is_numeric() or str(column.dtype) in ("Boolean", "Null")):
            refuse_column(column, name)
        return column.cast(float).to_numpy().astype(np.float32 if is_single else np.float64)
    return column
