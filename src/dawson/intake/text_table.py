"""A BIDS table as text: what is not changed stays as it is, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from dawson.files import atomic_path

_MISSING = ("", "n/a")
_MARK = "\ufeff"


class TextTable:
    """Rows of cells as they stand in the file: `00123` and `3.50` are not numbers here.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        Of a table that does not exist yet.
    """

    def __init__(self, path: Path, columns: Sequence[str] = ()) -> None:
        self.path = path
        self._content = path.read_bytes() if path.is_file() else b""
        # surrogateescape: a cell of another encoding goes through as it is
        text = self._content.decode("utf-8", "surrogateescape") or "\t".join(columns) + "\n"
        pieces = re.split(r"(\r?\n)", text)
        lines = list(zip(pieces[::2], [*pieces[1::2], ""], strict=True))
        if lines[-1] == ("", ""):
            lines.pop()
        self._lines = [(line.split("\t"), end) for line, end in lines]
        self._end = self._lines[0][1] or "\n"
        self.names = [name.removeprefix(_MARK) for name in self._lines[0][0]]

    def __len__(self) -> int:
        return len(self._lines) - 1

    def get(self, row: int, name: str) -> str:
        """A cell; empty where it, or its column, is missing."""
        cells, at = self._lines[row + 1][0], self.names.index(name) if name in self.names else len(self.names)
        return cells[at] if at < min(len(cells), len(self.names)) and cells[at] not in _MISSING else ""

    def column(self, name: str) -> list[str]:
        """All cells of a column."""
        return [self.get(row, name) for row in range(len(self))]

    def find(self, name: str, value: str, prefix: str) -> int | None:
        """The row that has a value, with or without its prefix."""
        plain = value.removeprefix(prefix)
        return next((row for row, cell in enumerate(self.column(name)) if cell.removeprefix(prefix) == plain), None)

    def set(self, row: int, name: str, value: str) -> None:
        """Change one cell of a column that there is."""
        cells, end = self._lines[row + 1]
        cells += ["n/a"] * (len(self.names) - len(cells))
        cells[self.names.index(name)] = re.sub(r"[\t\r\n]+", " ", value) or "n/a"
        self._lines[row + 1] = (cells, end)

    def append(self, values: Mapping[str, str]) -> int:
        """Add a row."""
        cells, end = self._lines[-1]
        self._lines[-1] = (cells, end or self._end)
        self._lines.append((["n/a"] * len(self.names), self._end))
        for name, value in values.items():
            self.set(len(self) - 1, name, value)
        return len(self) - 1

    def order(self, rows: Sequence[int]) -> None:
        """Put all rows into another order."""
        if list(rows) == list(range(len(self))):
            return
        head, *body = [(cells, end or self._end) for cells, end in self._lines]
        self._lines = [head, *[body[row] for row in rows]]

    def write(self) -> None:
        """Write the table atomically; one that is as it was is left alone."""
        content = "".join("\t".join(cells) + end for cells, end in self._lines).encode("utf-8", "surrogateescape")
        if content != self._content:
            with atomic_path(self.path) as temporary:
                temporary.write_bytes(content)
            self._content = content
