"""The selection language of `--where`: comparisons of columns, joined by and, or, not. Nothing in it can run code."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dawson.errors import ConfigError

Mask = npt.NDArray[np.bool_]

_LONGEST = 4000
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_QUOTED = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|`([^`]*)`""")
_KINDS = {"number": "numbers (written without quotes)", "text": "text (written in quotes)", "boolean": "True or False"}


@dataclass(frozen=True)
class _Truth:
    """Which rows are surely true and which surely false; a row with a missing value is neither (Kleene's logic)."""

    true: Mask
    false: Mask


@dataclass(frozen=True)
class _Values:
    """A column or a constant: its values, where they are missing, and their kind."""

    data: npt.NDArray[Any]
    missing: Mask
    kind: str
    shown: str


def where_mask(expression: str, table: pd.DataFrame) -> Mask:
    """Rows of a table that an expression selects.

    The language: `==`, `!=`, `<`, `<=`, `>`, `>=` (also chained, `18 <= age < 60`), `in [..]`, `not in [..]`, `is
    None`, `is not None`, `and`, `or`, `not`, parentheses, numbers, quoted text, True, False, column names (in
    backticks where a name is no plain word). A comparison with a missing value is neither true nor false, and selects
    nothing, whether negated or not.

    Parameters
    ----------
    expression : str
        Such as ``"age >= 18 and site != 'B'"``; an empty one selects every row.
    table : DataFrame, n rows

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    ConfigError
        The expression does not parse, names an unknown column (the known ones are listed), compares text with
        numbers, or holds anything but the above.

    Examples
    --------
    >>> people = pd.DataFrame({"age": [17, 30, None], "site": ["A", "B", "A"]})
    >>> where_mask("age >= 18 and site != 'C'", people).tolist()
    [False, True, False]
    """
    if not expression.strip():
        return np.ones(len(table), bool)
    tree, names = _parsed(expression)
    try:
        return _Reader(expression, table, names).truth(tree).true
    except ValueError as error:
        raise _wrong(expression, f"cannot be read ({error})") from None
    except (RecursionError, MemoryError):
        raise _wrong(expression[:60] + " ...", "is nested too deeply") from None


def conjuncts(expression: str) -> tuple[str, ...]:
    """The parts of an expression that are joined by `and` at its top; none of an empty one.

    Raises
    ------
    ConfigError
        It cannot be read.

    Examples
    --------
    >>> conjuncts("age >= 18 and (site == 'A' or site == 'B')")
    ('age >= 18', "site == 'A' or site == 'B'")
    """
    if not expression.strip():
        return ()
    tree, names = _parsed(expression)
    is_joined = isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And)
    parts = list(ast.iter_child_nodes(tree))[1:] if is_joined else [tree]
    return tuple(_shown(ast.unparse(part), names) for part in parts)


def columns_in(expression: str) -> frozenset[str]:
    """The columns that an expression names.

    Examples
    --------
    >>> sorted(columns_in("18 <= age < 60 and `aqp4 status` == 'positive'"))
    ['age', 'aqp4 status']
    """
    tree, names = _parsed(expression)
    return frozenset(names.get(node.id, node.id) for node in ast.walk(tree) if isinstance(node, ast.Name))


def _parsed(expression: str) -> tuple[ast.expr, dict[str, str]]:
    """The tree of an expression, and the columns that stand in backticks by the words that stand for them in the tree."""
    if len(expression) > _LONGEST:
        raise ConfigError(f"The selection has {len(expression)} characters, more than {_LONGEST}.")
    names: dict[str, str] = {}

    def hide(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[0]
        placeholder = f"_column_{len(names)}_"
        names[placeholder] = match[2]
        return placeholder

    try:
        return ast.parse(_QUOTED.sub(hide, expression.strip()), mode="eval").body, names
    except (SyntaxError, ValueError) as error:
        raise _wrong(expression, f"cannot be read ({getattr(error, 'msg', error)})") from None
    except (RecursionError, MemoryError):
        raise _wrong(expression[:60] + " ...", "is nested too deeply") from None


def _shown(text: str, names: dict[str, str]) -> str:
    return re.sub(r"\b_column_\d+_\b", lambda match: f"`{names[match[0]]}`" if match[0] in names else match[0], text)


def _wrong(expression: str, problem: str) -> ConfigError:
    return ConfigError(
        f'The selection "{expression}" {problem}.',
        "Write it like \"age >= 18 and site != 'B'\" or \"site in ['A', 'C']\".",
    )


class _Reader:
    """Walks the few kinds of node that the language has; every other kind is refused."""

    def __init__(self, expression: str, table: pd.DataFrame, names: dict[str, str]) -> None:
        self.expression = expression
        self.table = table
        self.names = names

    def truth(self, node: ast.expr) -> _Truth:
        if isinstance(node, ast.BoolOp):
            return self._joined(
                [self.truth(part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)],
                isinstance(node.op, ast.And),
            )
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
            if not all(isinstance(side, ast.Compare | ast.BinOp | ast.UnaryOp | ast.BoolOp) for side in (node.left, node.right)):
                raise _wrong(
                    self.expression,
                    "joins comparisons by & or |; write `and` or `or`, or put each comparison in parentheses",
                )
            return self._joined([self.truth(node.left), self.truth(node.right)], isinstance(node.op, ast.BitAnd))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
            inner = self.truth(node.operand)
            return _Truth(inner.false, inner.true)
        if isinstance(node, ast.Compare):
            lefts = [node.left, *node.comparators[:-1]]
            parts = [self._compared(*parts) for parts in zip(lefts, node.ops, node.comparators, strict=True)]
            return self._joined(parts, every=True)
        if isinstance(node, ast.Name | ast.Constant):
            value = self._value(node)
            if value.kind != "boolean":
                raise _wrong(self.expression, f"uses {value.shown} alone, which is not True or False; compare it with something")
            chosen = np.where(value.missing, False, value.data).astype(bool)
            return _Truth(chosen, ~chosen & ~value.missing)
        raise self._refused(node)

    @staticmethod
    def _joined(parts: list[_Truth], every: bool) -> _Truth:
        true, false = [part.true for part in parts], [part.false for part in parts]
        if every:
            return _Truth(np.logical_and.reduce(true), np.logical_or.reduce(false))
        return _Truth(np.logical_or.reduce(true), np.logical_and.reduce(false))

    def _compared(self, left: ast.expr, kind: ast.cmpop, right: ast.expr) -> _Truth:
        if isinstance(kind, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise _wrong(self.expression, "uses `is` for something other than None; write ==")
            missing = self._value(left).missing
            return _Truth(missing, ~missing) if isinstance(kind, ast.Is) else _Truth(~missing, missing)
        if isinstance(kind, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set):
                raise _wrong(self.expression, "has `in` without a list; write in ['A', 'B']")
            nobody = np.zeros(len(self.table), bool)
            found = self._joined(
                [
                    _Truth(nobody, ~self._value(left).missing),
                    *(self._compared(left, ast.Eq(), item) for item in right.elts),
                ],
                every=False,
            )
            return found if isinstance(kind, ast.In) else _Truth(found.false, found.true)
        first, second = self._value(left), self._value(right)
        if first.kind != second.kind and "unknown" not in (first.kind, second.kind):
            raise _wrong(
                self.expression,
                f"compares {first.shown}, {_KINDS[first.kind]}, with {second.shown}, {_KINDS[second.kind]}",
            )
        missing = first.missing | second.missing
        result = np.zeros(len(self.table), bool)
        if not missing.all():
            known = ~missing
            result[known] = _COMPARISONS[type(kind)](first.data[known], second.data[known])
        return _Truth(result & ~missing, ~result & ~missing)

    def _value(self, node: ast.expr) -> _Values:
        size = len(self.table)
        if isinstance(node, ast.Name):
            name = self.names.get(node.id, node.id)
            if name not in self.table.columns:
                known = ", ".join(sorted(map(str, self.table.columns)))
                raise ConfigError(f'The selection "{self.expression}" names the unknown column {name}.', f"Known columns: {known}.")
            return _column(self.table[name], f"column {name}")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd) and isinstance(node.operand, ast.Constant):
            number = self._value(node.operand)
            if number.kind == "number":
                return number if isinstance(node.op, ast.UAdd) else _Values(-number.data, number.missing, "number", "a number")
        if isinstance(node, ast.Constant):
            value, present = node.value, np.zeros(size, bool)
            if isinstance(value, bool):
                return _Values(np.full(size, value), present, "boolean", str(value))
            if isinstance(value, int | float):
                return _Values(np.full(size, float(value)), present, "number", str(value))
            if isinstance(value, str):
                return _Values(np.full(size, value, object), present, "text", repr(value))
            if value is None:
                raise _wrong(self.expression, "compares with None; write `is None` or `is not None`")
        raise self._refused(node)

    def _refused(self, node: ast.expr) -> ConfigError:
        return _wrong(self.expression, f"holds something that a selection cannot ({type(node).__name__})")


def _column(column: pd.Series[Any], shown: str) -> _Values:
    missing = column.isna().to_numpy(bool)
    if pd.api.types.is_bool_dtype(column.dtype):
        return _Values(column.to_numpy(object), missing, "boolean", shown)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _Values(column.to_numpy(float, na_value=np.nan), missing, "number", shown)
    values = column.to_numpy(object)
    known = values[~missing]
    if not known.size:
        return _Values(values, missing, "unknown", shown)
    if all(isinstance(value, bool | np.bool_) for value in known):
        return _Values(values, missing, "boolean", shown)
    if all(isinstance(value, int | float | np.number) for value in known):
        return _Values(np.where(missing, np.nan, values).astype(float), missing, "number", shown)
    return _Values(np.array([str(value) for value in values], object), missing | (values == ""), "text", shown)
