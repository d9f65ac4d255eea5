"""A column as a file gave it → what a variable takes (MS-02, MS-05, design 8.20).

Numbers widen; whole doubles are whole numbers; texts are read as cells of text are. What does not fit is
named, never bent.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.aspects import Variable, VariableType
from schemas.columns import Bools, Column, ColumnClass, Ints, Texts
from schemas.filetypes.cells import Cells, Wrong, check_doubles, check_texts, read_cells, without_na
from schemas.filetypes.model import FileType
from schemas.limits import INT_MAX, INT_MIN

_EXACT_BELOW = float(2**63)


def convert(column: Column, variable: Variable, file_type: FileType) -> Cells:
    """Make the values of a column values of a variable; rows without a value are left alone."""
    given, wanted = column.column_class, variable.type.column_class
    if given is ColumnClass.TEXT:
        array = array_of(column)
        if wanted is ColumnClass.TEXT:
            return check_texts(array, variable.characters_max)
        return read_cells(without_na(array, file_type.na_values), variable, file_type)
    if wanted is ColumnClass.TEXT:
        return check_texts(array_of(_as_texts(column)), variable.characters_max)
    if wanted is given:
        return _checked(column, variable)
    assert not isinstance(column.values, Texts)
    if wanted is ColumnClass.FLOAT and given is ColumnClass.INTEGER:
        return Cells(Column(column.values.astype(np.float64), column.present), [])
    if wanted is ColumnClass.INTEGER and given is ColumnClass.FLOAT and _is_whole_number(variable):
        return _whole(column, variable)
    words = {ColumnClass.BOOLEAN: "is neither true nor false"}
    reason = words.get(wanted, "is true or false, no number")
    if variable.type is VariableType.TIMESTAMP:
        reason = "is no time"
    return Cells(column, [Wrong(row, reason) for row in _rows(column.present, len(column.values))])


def text_at(column: Column, row: int) -> str:
    """Write what stands in one row, for a report."""
    if column.present is not None and not column.present[row]:
        return ""
    if isinstance(column.values, Texts):
        start, end = column.values.offsets[row], column.values.offsets[row + 1]
        return column.values.octets[start:end].tobytes().decode("utf-8", "replace")
    return str(column.values[row].item())


def _is_whole_number(variable: Variable) -> bool:
    return variable.type is not VariableType.TIMESTAMP


def _rows(present: Bools | None, count: int) -> list[int]:
    rows: list[int] = (np.arange(count) if present is None else np.flatnonzero(present)).tolist()
    return rows


def _checked(column: Column, variable: Variable) -> Cells:
    """Look at values that have the right class already."""
    assert not isinstance(column.values, Texts)
    if variable.type is VariableType.DOUBLE:
        beyond = check_doubles(column.values.astype(np.float64, copy=False), column.present)
        rows = [] if beyond is None else np.flatnonzero(beyond).tolist()
        return Cells(column, [Wrong(row, "is no number that a DOUBLE holds") for row in rows])
    if variable.type is VariableType.INT:
        outside = (column.values < INT_MIN) | (column.values > INT_MAX)
        if column.present is not None:
            outside &= column.present
        reason = f"is beyond {INT_MIN} to {INT_MAX}"
        return Cells(column, [Wrong(row, reason) for row in np.flatnonzero(outside).tolist()])
    return Cells(column, [])


def _whole(column: Column, variable: Variable) -> Cells:
    assert not isinstance(column.values, Texts)
    doubles = column.values.astype(np.float64, copy=False)
    lawful = (np.abs(doubles) < _EXACT_BELOW) & (np.floor(doubles) == doubles)
    whole = np.where(lawful, doubles, 0).astype(np.int64)
    wrong = ~lawful if column.present is None else ~lawful & column.present
    found = [Wrong(row, "is no whole number") for row in np.flatnonzero(wrong).tolist()]
    checked = _checked(Column(whole, column.present), variable)
    return Cells(checked.column, found + checked.wrong)


def array_of(column: Column) -> pa.Array:
    """View a column of texts as an array of the library."""
    assert isinstance(column.values, Texts)
    validity = None
    if column.present is not None:
        validity = pa.py_buffer(np.packbits(column.present, bitorder="little"))
    offsets = pa.py_buffer(column.values.offsets.astype("<i4"))
    octets = pa.py_buffer(np.ascontiguousarray(column.values.octets))
    return pa.StringArray.from_buffers(len(column.values), offsets, octets, validity)


def numbered(column: Column) -> tuple[Ints, list[str]]:
    """Number the texts of a column in the order in which they come; absent ones are the empty text."""
    if isinstance(column.values, Texts):
        array = array_of(column)
    else:
        array = pa.array([str(value) for value in column.values.tolist()], pa.string())
    if column.present is not None:
        array = pc.if_else(pa.array(column.present), array, "")
    coded = array.dictionary_encode()
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist()


def _as_texts(column: Column) -> Column:
    assert not isinstance(column.values, Texts)
    if column.column_class is ColumnClass.BOOLEAN:
        words = ["true" if value else "false" for value in column.values.tolist()]
    else:
        words = [repr(value) for value in column.values.tolist()]
    return Column(Texts.of(words), column.present)
