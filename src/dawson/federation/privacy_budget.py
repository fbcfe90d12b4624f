"""What differentially private trainings have spent at a site: one ledger for all jobs, asked before any step is taken.

The unit is a person: epsilon and delta are about one person's scans all together. Runs are composed by Renyi differential privacy
(Mironov, CSF 2017; subsampled Gaussian mechanism: Mironov et al., arXiv 1908.10530) as Opacus computes it, which never tells too little.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from dawson.errors import BudgetError, GovernanceError, MissingDependencyError
from dawson.governance.ledger import append_at_end, complete_lines, governance_folder, locked, mend_last_line

LEDGER = "privacy-budget.jsonl"
# Alphas beyond Opacus' own: for little noise and few steps the best order lies high, for much of either it lies low.
_ORDERS = tuple([1 + x / 10 for x in range(1, 100)] + list(range(11, 64)) + [2**k for k in range(6, 12)])


@dataclass(frozen=True)
class PrivateRun:
    """One training with the sampled Gaussian mechanism.

    Parameters
    ----------
    job : str
    noise_multiplier : float
        Standard deviation of the noise over the bound of a person's gradient.
    sampling_rate : float
        Chance of each person to be in a step.
    steps : int
    """

    job: str
    noise_multiplier: float
    sampling_rate: float
    steps: int


def epsilon_of(runs: Sequence[PrivateRun], delta: float) -> float:
    """Epsilon of runs one after the other over the same people.

    Parameters
    ----------
    runs : sequence of PrivateRun
    delta : float

    Raises
    ------
    MissingDependencyError
        Opacus is not installed.
    """
    runs = [run for run in runs if run.steps]
    if not runs:
        return 0.0
    try:
        from opacus.accountants.analysis.rdp import compute_rdp, get_privacy_spent
    except ImportError:
        raise MissingDependencyError("Private training needs Opacus.", "pip install dawson[federation]") from None
    total = np.zeros(len(_ORDERS))
    for run in runs:
        if run.noise_multiplier <= 0:
            return float("inf")
        total += np.asarray(
            compute_rdp(q=run.sampling_rate, noise_multiplier=run.noise_multiplier, steps=run.steps, orders=_ORDERS), np.float64
        )
    with warnings.catch_warnings():
        # at the largest order the bound is not the tightest, and still one
        warnings.simplefilter("ignore", UserWarning)
        epsilon, _ = get_privacy_spent(orders=_ORDERS, rdp=total, delta=delta)
    return float(epsilon)


def noise_for(epsilon: float, delta: float, sampling_rate: float, steps: int) -> float:
    """The least noise multiplier, to a thousandth, with which so many steps spend at most `epsilon`.

    Raises
    ------
    GovernanceError
        No noise is enough.
    """

    def spent(noise: float) -> float:
        return epsilon_of([PrivateRun("", noise, sampling_rate, steps)], delta)

    low, high = 0.0, 1.0
    while spent(high) > epsilon:
        low, high = high, 2 * high
        if high > 1e5:
            raise GovernanceError(f"No noise makes {steps} steps spend no more than epsilon = {epsilon:g}.", "Take fewer steps.")
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if spent(middle) > epsilon else (low, middle)
    return high


def runs_of(study: Path) -> list[PrivateRun]:
    """Every run of the study's ledger, with the steps that count: those it took, or all that it reserved where it broke off.

    Raises
    ------
    GovernanceError
        The ledger is damaged: nothing private is trained until it is restored.
    """
    path = governance_folder(study) / LEDGER
    runs: dict[str, PrivateRun] = {}
    for number, line in enumerate(complete_lines(path), 1):
        try:
            record = json.loads(line)
            if record["entry"] == "reserved":
                runs[record["name"]] = PrivateRun(**record["run"])
            else:
                runs[record["name"]] = PrivateRun(**{**asdict(runs[record["name"]]), "steps": int(record["steps"])})
        except (ValueError, KeyError, TypeError):
            raise GovernanceError(f"{path} has a line {number} that is not what was written.", "Restore it from your backup.") from None
    return list(runs.values())


def check_budget(study: Path, run: PrivateRun, limit: float, delta: float) -> None:
    """Refuse a run that the study's budget does not cover, after all that is in its ledger; nothing is reserved.

    Parameters
    ----------
    study : Path
    run : PrivateRun
    limit : float
        Epsilon of all runs together.
    delta : float

    Raises
    ------
    BudgetError
        It would spend more than is left.
    """
    before = runs_of(study)
    after = epsilon_of([*before, run], delta)
    if not after <= limit * (1 + 1e-9):
        left = epsilon_of(before, delta)
        raise BudgetError(
            f"The privacy budget of {study} is spent: {left:.2f} of {limit:g} are gone, and {run.job} would make it {after:.2f}.",
            "Take fewer steps or more noise; only the site can raise its budget, and what was told stays told.",
        )


def reserve(study: Path, run: PrivateRun, limit: float, delta: float) -> str:
    """Take a run's cost off the study's budget before it begins; a run that breaks off has spent what it reserved.

    Parameters
    ----------
    study : Path
    run : PrivateRun
    limit : float
        Epsilon of all runs together.
    delta : float

    Returns
    -------
    str
        Name of the reservation, for `settle`.

    Raises
    ------
    BudgetError
        It would spend more than is left; nothing was reserved.
    """
    path = governance_folder(study) / LEDGER
    with locked(path, 0o600) as stream:
        mend_last_line(stream)
        check_budget(study, run, limit, delta)
        name = f"{len(complete_lines(path)) + 1}-{run.job}"
        record = {"entry": "reserved", "name": name, "at": datetime.now(UTC).isoformat(timespec="seconds"), "run": asdict(run)}
        append_at_end(stream, json.dumps(record).encode() + b"\n")
    return name


def settle(study: Path, name: str, steps: int) -> None:
    """Say how many steps a reserved run took in the end; it may be fewer, never more.

    Raises
    ------
    GovernanceError
        There is no such reservation, or it was for fewer steps.
    """
    path = governance_folder(study) / LEDGER
    with locked(path, 0o600) as stream:
        mend_last_line(stream)
        reserved = [json.loads(line) for line in complete_lines(path)]
        found = next((line for line in reserved if line["name"] == name and line["entry"] == "reserved"), None)
        if found is None or steps > found["run"]["steps"]:
            raise GovernanceError(f"{name} was not reserved for {steps} steps.")
        append_at_end(stream, json.dumps({"entry": "settled", "name": name, "steps": steps}).encode() + b"\n")
