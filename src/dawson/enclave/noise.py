"""Noise on the sums of tables, with a budget that all questions share: discrete and continuous Laplace by OpenDP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from dawson.cohort.dictionary import Column
from dawson.enclave.cells import Sums, parts_of
from dawson.enclave.history import enclave_folder
from dawson.enclave.policy import NoiseRules
from dawson.errors import EnclaveError, MissingDependencyError
from dawson.governance.ledger import append_lines, complete_lines

SPENT = "noise-spent.jsonl"


def spent(study: Path) -> float:
    """What the questions so far have spent of the budget.

    Raises
    ------
    EnclaveError
        The record is damaged.
    """
    path = enclave_folder(study) / SPENT
    try:
        return float(sum(json.loads(line)["epsilon"] for line in complete_lines(path)))
    except (ValueError, KeyError, TypeError):
        raise EnclaveError(f"{path} is not what was written.", "Restore it from your backup; nothing is answered until then.") from None


def spend(study: Path, request: str, rules: NoiseRules) -> None:
    """Take the cost of one question off the budget.

    Raises
    ------
    EnclaveError
        There is not enough left.
    """
    if spent(study) + rules.epsilon > rules.budget * (1 + 1e-9):
        raise EnclaveError("The site's privacy budget is spent.", "No more questions are answered there.")
    append_lines(enclave_folder(study) / SPENT, [json.dumps({"request": request, "epsilon": rules.epsilon}).encode()], mode=0o600)


def noisy(cells: Mapping[str, Sums], columns: Mapping[str, Column], epsilon: float) -> dict[str, Sums]:
    """Cells with noise; a question's epsilon is shared equally by all the numbers in its answer.

    Adding or taking away one person changes a count by 1 at most, the sum of a number by its largest magnitude in the dictionary, and its
    sum of squares by the square of that.

    Parameters
    ----------
    cells : mapping
        Released cells.
    columns : mapping of str to Column
        With the limits of each number; values beyond them would not be covered and have to be impossible.
    epsilon : float

    Raises
    ------
    EnclaveError
        A number has no limits in the dictionary, or the answer is a regression.
    MissingDependencyError
        OpenDP is not installed.
    """
    try:
        import opendp.prelude as dp
    except ImportError:
        raise MissingDependencyError("Noise needs OpenDP.", "pip install dawson[federation]") from None
    dp.enable_features("contrib")
    share = epsilon / max(1, sum(len(sums) for sums in cells.values()))
    result: dict[str, Sums] = {}
    for key, sums in cells.items():
        column = columns.get(parts_of(key).get("variable", ""))
        result[key] = {}
        for name, value in sums.items():
            scale = _sensitivity(name, column, key) / share
            if name == "n":
                counting = dp.m.make_laplace(dp.atom_domain(T=int), dp.absolute_distance(T=int), scale=scale)
                result[key][name] = float(max(0, counting(int(float(value)))))  # type: ignore[arg-type]
            else:
                summing = dp.m.make_laplace(dp.atom_domain(T=float, nan=False), dp.absolute_distance(T=float), scale=scale)
                result[key][name] = float(summing(float(value)))  # type: ignore[arg-type]
    return result


def _sensitivity(name: str, column: Column | None, key: str) -> float:
    if name == "n":
        return 1.0
    if name not in ("sum", "squares") or column is None:
        raise EnclaveError("This analysis cannot be answered with noise.", "The site answers tables only while it adds noise.")
    if column.minimum is None or column.maximum is None:
        raise EnclaveError(f"{column.name} has no limits in the dictionary, so noise cannot cover it ({key}).", "Add Minimum and Maximum.")
    largest = max(abs(column.minimum), abs(column.maximum))
    return largest if name == "sum" else largest**2
