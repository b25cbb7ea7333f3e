"""Text and tables of numbers as people's programs write them; what could be meant in two ways is refused."""

from __future__ import annotations

import codecs
import csv
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Row = tuple[int, list[str]]  # the number of its line, its cells

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SHOWN = 30  # characters of a cell in a message


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, or in what its byte order mark says.

    Raises
    ------
    ValueError
        When it is in another encoding, or no text.
    """
    content = path.read_bytes()
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as broken:
        raise ValueError(f"{path}: not UTF-8 text (byte {broken.start}); save it as UTF-8") from None
    if "\0" in text:
        raise ValueError(f"{path}: not text; save it as UTF-8")
    return text


def table_of(path: Path) -> Array:
    """Numbers of a csv file, (rows, columns).

    Separators are commas, semicolons, tabs or, in their absence, spaces. One row of headings, blank lines,
    comments after #, quotes, a separator at the end of every row and, where the separator is another, decimal
    commas are understood.

    Raises
    ------
    ValueError
        Naming the line, with the remedy.
    """
    try:
        return np.array(_numbers(text_of(path)))
    except ValueError as broken:
        reason = str(broken).removeprefix(f"{path}: ")
        raise ValueError(f"{path}: {reason}") from None


def _numbers(text: str) -> list[list[float]]:
    lines = [(number, _without_comment(line)) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line.strip()]
    if not lines:
        raise ValueError("holds no numbers; it is empty")
    separator = None
    if lines[0][1].lower().startswith("sep="):  # how Excel is told
        separator, lines = lines[0][1][4:5], lines[1:]
    rows = _cells(lines, separator or _separator([line for _, line in lines]))
    rows = _without_last_separator(_without_heading(rows))
    _refuse_ragged(rows)
    _refuse_numbered_columns(rows)
    comma = _has_decimal_commas(rows)
    return [[_number(cell, line, k, comma) for k, cell in enumerate(cells, 1)] for line, cells in rows]


def _without_comment(line: str) -> str:
    """Up to the first #, outside quotes."""
    quoted = False
    if "#" in line:
        for position, character in enumerate(line):
            quoted ^= character == '"'
            if character == "#" and not quoted:
                return line[:position]
    return line


def _separator(lines: list[str]) -> str:
    """Of the rows below a heading, which may have anything in it; a space stands for any white space."""
    body = [
        _unquoted(line) for line in lines[0 if _begins_as_number(lines[0].lstrip(' "')) else 1 :] or lines
    ]
    for separator in (";", "\t", ","):
        if any(separator in line.strip(" ") for line in body):
            return separator
    return " "


def _unquoted(line: str) -> str:
    """What is outside quotes."""
    return "".join(line.split('"')[::2]) if '"' in line else line


def _cells(lines: list[tuple[int, str]], separator: str) -> list[Row]:
    rows = []
    for number, line in lines:
        try:
            if separator == " ":
                cells = line.replace('"', "").split()
            else:
                (cells,) = csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True)
        except (csv.Error, ValueError) as broken:
            raise ValueError(f"line {number}: {broken}") from None
        rows.append((number, [cell.strip() for cell in cells]))
    return rows


def _without_heading(rows: list[Row]) -> list[Row]:
    """Rows of numbers; the first is none if not one of its cells begins as one."""
    number, cells = rows[0]
    columns = len(rows[-1][1])
    if cells[0] in ("", "Unnamed: 0") and columns > 1 and any(cells):
        raise ValueError(
            f"line {number}: the first column has no name, as if it numbered the rows; write the file "
            "without it (pandas: to_csv(index=False)), or name it"
        )
    if any(map(_begins_as_number, cells)) or not any(cells):
        return rows
    if len(rows) == 1:
        raise ValueError(f"holds no numbers, only the heading in line {number}")
    if columns > 1 and len(cells) not in (columns, columns - (not rows[-1][1][-1])):
        raise ValueError(
            f"line {number} has {len(cells)} headings for {columns} columns; name each, or leave out the "
            "headings, and the rows' numbers if it is those that have none"
        )
    return rows[1:]


def _without_last_separator(rows: list[Row]) -> list[Row]:
    if all(len(cells) > 1 and not cells[-1] for _, cells in rows):
        return [(number, cells[:-1]) for number, cells in rows]
    return rows


def _refuse_ragged(rows: list[Row]) -> None:
    first, wanted = rows[0][0], len(rows[0][1])
    for number, cells in rows:
        if len(cells) != wanted:
            raise ValueError(
                f"line {number} has {len(cells)} cells, but line {first} has {wanted}; give every row as many"
            )


def _refuse_numbered_columns(rows: list[Row]) -> None:
    """0, 1, 2, ... above fractions are names that pandas gives to columns."""
    number, cells = rows[0]
    counted = len(cells) > 2 and cells == [str(k) for k in range(len(cells))]
    if counted and any("." in cell for _, cells in rows[1:] for cell in cells):
        raise ValueError(
            f"line {number} may be the columns' numbers or a row of data; leave it out (pandas: "
            "to_csv(header=False, index=False)), or write 0.0 for data"
        )


def _has_decimal_commas(rows: list[Row]) -> bool:
    """Whether cells, which are separated otherwise, have decimal commas; thousands are refused."""
    commas = [(number, cell) for number, cells in rows for cell in cells if "," in cell]
    if not commas:
        return False
    points = next((cell for _, cells in rows for cell in cells if "." in cell), None)
    number, first = commas[0]
    if points is not None:
        raise ValueError(
            f"line {number}: {_shown(first)} has a comma where {_shown(points)} has a point; write decimal "
            "points and nothing between thousands"
        )
    if all(_may_be_thousands(cell) for _, cell in commas):
        raise ValueError(
            f"line {number}: the comma in {_shown(first)} may stand between thousands or before decimals; "
            "write decimal points and nothing between thousands"
        )
    return True


def _may_be_thousands(cell: str) -> bool:
    first, *others = cell.lstrip("+-").split(",")
    return first.isdigit() and first[0] != "0" and len(first) <= 3 and all(len(part) == 3 for part in others)


def _number(cell: str, line: int, column: int, comma: bool) -> float:
    if not cell:
        raise ValueError(f"line {line}: column {column} is empty; fill in or leave out what is missing")
    text = cell.replace(",", ".", 1) if comma else cell
    if not _is_number(text):
        raise ValueError(f"line {line}: {_shown(cell)} in column {column} is no number")
    return float(text)


def _begins_as_number(cell: str) -> bool:
    return cell.lstrip("+-.,")[:1].isdigit() or _is_number(cell)


def _is_number(cell: str) -> bool:
    if "_" in cell or not cell.isascii():  # Python's numbers, not a file's
        return False
    try:
        return not math.isnan(float(cell)) or cell.lower() == "nan"
    except ValueError:
        return False


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}...")
