"""Numbers of figures and tables: given in the order in which a page names them, since a section may be absent."""

from __future__ import annotations

from collections.abc import Mapping


class Numbering:
    """Counts the figures and tables of one page.

    Examples
    --------
    >>> number = Numbering()
    >>> number.figure("flow"), number.figure("roc"), number.figure("flow"), number.table("people")
    (1, 2, 1, 1)
    """

    def __init__(self) -> None:
        self._figures: dict[str, int] = {}
        self._tables: dict[str, int] = {}

    def figure(self, name: str) -> int:
        """Number of a figure: a new one at its first mention."""
        return self._figures.setdefault(name, len(self._figures) + 1)

    def table(self, name: str) -> int:
        """Number of a table."""
        return self._tables.setdefault(name, len(self._tables) + 1)

    @property
    def figures(self) -> Mapping[str, int]:
        """Names of the figures that were mentioned, with their numbers."""
        return dict(self._figures)
