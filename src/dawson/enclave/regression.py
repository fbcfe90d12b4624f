"""Linear and logistic regression over sites, by sums that give the same as all people together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.enclave.analysis import Result, ResultTable, Round, pooled
from dawson.enclave.cells import Cell, Sums, key_of, parts_of, spread_of
from dawson.enclave.people_table import People
from dawson.enclave.request import Request
from dawson.enclave.tables import only
from dawson.errors import EnclaveError
from dawson.statistics.distributed_regression import (
    RegressionFit,
    fit_linear,
    fit_logistic,
    linear_sums,
    logistic_probability,
    logistic_sums,
)

Floats = NDArray[np.float64]
Members = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Design:
    """Complete cases of a site.

    Parameters
    ----------
    complete : ndarray of bool (n,)
    columns : tuple of str
    x : ndarray (complete, p)
    y : ndarray (complete,)
    sets : dict of str to ndarray of bool (n,)
        By key, every set of people whose sums the products of columns tell.
    numbers : dict of str to ndarray (n,)
    """

    complete: Members
    columns: tuple[str, ...]
    x: Floats
    y: Floats
    sets: dict[str, Members]
    numbers: dict[str, Floats]


@dataclass(frozen=True)
class Regression:
    """A regression; `logistic` where the outcome is one level of a category against the others."""

    name: str
    title: str
    wants: str
    logistic: bool

    def check(self, request: Request) -> None:
        """An outcome and variables are needed."""
        only(request, "variables", "outcome", "levels", *(["outcome_level"] if self.logistic else []))
        if not request.outcome or not request.variables:
            raise EnclaveError(f"{self.title} needs an outcome and variables.", f"Wanted: {self.wants}.")
        if request.outcome in request.variables:
            raise EnclaveError(f"{request.outcome} is outcome and variable at once.")
        if self.logistic and not request.outcome_level:
            raise EnclaveError("Logistic regression needs the level of the outcome that counts as 1.", "Give --outcome-level.")
        if unused := set(request.levels) - {*request.variables, request.outcome}:
            raise EnclaveError(f"Levels are given of {', '.join(sorted(unused))}, which the regression does not use.")

    def cells(self, people: People, request: Request, rounds: Sequence[Round]) -> list[Cell]:
        """The sums of one round, and every set of people whose sum they tell."""
        design = self._design(people, request)
        weights = None
        if self.logistic:
            coefficients, fit = _followed([_block(contributions) for contributions in rounds])
            if fit is not None:
                raise EnclaveError("This regression has converged: there is nothing more to ask.")
            start = coefficients if len(coefficients) else np.zeros(len(design.columns))
            sums = logistic_sums(design.x, design.y, start)
            probability = logistic_probability(design.x, start)
            weights = probability * (1 - probability)
        else:
            if rounds:
                raise EnclaveError("A linear regression has one round only.")
            sums = linear_sums(design.x, design.y)
        shown: Sums = {name: value.tolist() for name, value in sums.items() if name != "n"}
        judged = [
            Cell(key, members, needs=request.columns, whole=True, shown=False) for key, members in design.sets.items() if key != "all"
        ]
        for number, values in design.numbers.items():
            for name, members in design.sets.items():
                key = key_of(variable=number, **parts_of(name))
                judged.append(Cell(key, members, {}, spread_of(values[members]), needs=request.columns, whole=True, shown=False))
        block = "columns=" + ";".join(design.columns)
        return [
            Cell(block, design.complete, shown, weights=weights, coefficients=len(design.columns), needs=request.columns, whole=True),
            *judged,
        ]

    def _design(self, people: People, request: Request) -> _Design:
        columns: list[tuple[str, Floats]] = [("intercept", np.ones(len(people)))]
        complete = np.ones(len(people), bool)
        sets: list[tuple[str, str, Members]] = []
        numbers: dict[str, Floats] = {}
        for name in request.variables:
            if people.column(name).kind in ("number", "integer"):
                numbers[name] = people.numbers(name)
                complete &= np.isfinite(numbers[name])
                columns.append((name, np.nan_to_num(numbers[name])))
                continue
            levels, values = _levels(people, request, name)
            complete &= values != ""
            # the reference is no column, but its sums follow from the others
            sets += [(name, level, values == level) for level in levels]
            columns += [(f"{name}:{level}", (values == level).astype(float)) for level in levels[1:]]
        if self.logistic:
            y, told = _outcome(people, request)
            sets += told
        else:
            y = numbers[request.outcome] = people.numbers(request.outcome)
        complete &= np.isfinite(y)
        by_key = {"all": complete} | {key_of(**{name: level}): members & complete for name, level, members in sets}
        for (one, level, members), (other, second, others) in combinations(sets, 2):
            if one != other:
                by_key[key_of(**{one: level, other: second})] = members & others & complete
        x = np.column_stack([values for _, values in columns])[complete]
        return _Design(complete, tuple(name for name, _ in columns), x, y[complete], by_key, numbers)

    def result(self, request: Request, rounds: Sequence[Round]) -> Result | None:
        """Coefficients with intervals."""
        columns = _columns(rounds[-1])
        sums = [_block(contributions) for contributions in rounds]
        try:
            fit = _followed(sums)[1] if self.logistic else fit_linear(sums[-1])
        except ValueError as error:
            raise EnclaveError(f"The regression has no answer: {error}.", "Take a variable out, or ask about more people.") from None
        return None if fit is None else Result([_fit_table(self.title, columns, fit, self.logistic)], _fit_notes(fit, self.logistic))


def _outcome(people: People, request: Request) -> tuple[Floats, list[tuple[str, str, Members]]]:
    """1 for people with the level of interest, 0 for the others, NaN where missing; and both as sets."""
    levels, values = _levels(people, request, request.outcome)
    if request.outcome_level not in levels:
        raise EnclaveError(f"{request.outcome} has no level {request.outcome_level!r}.", f"Levels: {', '.join(levels)}.")
    there = values == request.outcome_level
    others = [level for level in levels if level != request.outcome_level]
    rest = others[0] if len(others) == 1 else f"not {request.outcome_level}"
    sets = [(request.outcome, request.outcome_level, there), (request.outcome, rest, (values != "") & ~there)]
    return np.where(values != "", there.astype(float), np.nan), sets


def _levels(people: People, request: Request, name: str) -> tuple[tuple[str, ...], NDArray[np.str_]]:
    levels, values = people.levels(name)
    wanted = request.levels.get(name, levels)
    if unknown := set(wanted) - set(levels):
        raise EnclaveError(f"{name} has no level {sorted(unknown)[0]!r}.", f"Levels: {', '.join(levels)}.")
    if len(set(wanted)) < 2:
        raise EnclaveError(f"{name} has to have two levels at least.", f"Levels: {', '.join(levels)}.")
    return tuple(wanted), np.where(np.isin(values, wanted), values, "")


def _columns(contributions: Round) -> tuple[str, ...]:
    told = {key for contribution in contributions.values() for key in contribution}
    if len(told) != 1:
        raise EnclaveError("The sites code the variables differently.", "Name the levels of each category in the request.")
    return tuple(told.pop().removeprefix("columns=").split(";"))


def _block(contributions: Round) -> dict[str, Floats]:
    _columns(contributions)
    sums, left_out = pooled(contributions)
    if left_out:
        raise EnclaveError("A site withheld its part of the regression, and without it there is none.")
    return {name: np.asarray(value, float) for name, value in next(iter(sums.values())).items()}


def _followed(sums: list[dict[str, Floats]]) -> tuple[Floats, RegressionFit | None]:
    try:
        return fit_logistic(sums)
    except ValueError as error:
        raise EnclaveError(f"The regression has no answer: {error}.", "Take a variable out, or ask about more people.") from None


def _fit_table(title: str, columns: tuple[str, ...], fit: RegressionFit, logistic: bool) -> ResultTable:
    rows: list[tuple[Any, ...]] = []
    for number, name in enumerate(columns):
        values = [float(part[number]) for part in (fit.coefficients, fit.standard_errors, fit.low, fit.high, fit.p_values)]
        rows.append((name, *values, *([float(np.exp(values[0]))] if logistic else [])))
    names = ("term", "coefficient", "standard error", "95 % low", "95 % high", "p", *(["odds ratio"] if logistic else []))
    return ResultTable(title, names, rows)


def _fit_notes(fit: RegressionFit, logistic: bool) -> list[str]:
    if logistic:
        return [f"{fit.people} people, {fit.rounds} rounds, log likelihood {fit.log_likelihood:.4f}."]
    return [f"{fit.people} people, residual standard deviation {fit.residual_sd:.4g}."]


LINEAR = Regression("linear", "Linear regression", "`outcome`, a number, and `variables`", logistic=False)
LOGISTIC = Regression("logistic", "Logistic regression", "`outcome` with `outcome_level`, and `variables`", logistic=True)
