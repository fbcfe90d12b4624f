"""The numbers of each figure as a table, read from where the figure reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dawson.report.flow import Step
from dawson.report.formatting import is_number
from dawson.report.gallery import Case, Contribution, Example

_INTERVALS = {"headline": "patients", "over_repeats": "over repeats", "nadeau_bengio": "Nadeau-Bengio", "published": "published"}


def flow_numbers(steps: Sequence[Step]) -> pd.DataFrame:
    """Box, kind (kept, left out), text: the words of the flow diagram, with their numbers."""
    rows = [
        (step.title, kind, text) for step in steps for kind, texts in (("kept", step.lines), ("left out", step.leaves)) for text in texts
    ]
    return pd.DataFrame(rows, columns=["box", "kind", "text"])


def roc_numbers(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """The columns fpr, tpr, and low and high of its band where there is one."""
    roc = metrics.get("roc") or {}
    return pd.DataFrame({name: roc[name] for name in ("fpr", "tpr", "low", "high") if roc.get(name)}, dtype=float)


def repeats_numbers(metrics: Mapping[str, Any], figure: str) -> pd.DataFrame:
    """Kind (repeat, or the name of an interval), repeat, estimate, low, high of one figure of merit."""
    rows: list[dict[str, Any]] = [
        {"kind": "repeat", "repeat": str(row["repeat"]), "estimate": row[figure]}
        for row in metrics["repeats"]
        if is_number(row.get(figure))
    ]
    several = metrics["n_repeats"] > 1
    for kind, name in _INTERVALS.items():
        entry = (metrics.get(kind) or {}).get(figure)
        if entry and is_number(entry.get("estimate")) and (several or kind in ("headline", "published")):
            rows.append({"kind": name, "repeat": ""} | {key: entry.get(key) for key in ("estimate", "low", "high")})
    return pd.DataFrame(rows, columns=["kind", "repeat", "estimate", "low", "high"])


def training_numbers(runs: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Repeat, fold, epoch and the curves of every network."""
    rows = [
        {"repeat": run.get("repeat"), "fold": run.get("fold"), "epoch": epoch.get("epoch", place + 1)}
        | {name: epoch.get(name) for name in columns}
        for run in runs
        for place, epoch in enumerate(run.get("history") or [])
    ]
    return pd.DataFrame(rows, columns=["repeat", "fold", "epoch", *columns])


def split_numbers(splits: pd.DataFrame, most_repeats: int = 12) -> pd.DataFrame:
    """Repeat, participant_id, role (tested, or the fold in which the person validates) of the repeats that are drawn."""
    drawn = splits[splits["repeat"].isin(sorted(splits["repeat"].unique())[:most_repeats])]
    tested = drawn.loc[drawn["role"] == "test", ["repeat", "participant_id"]].drop_duplicates().assign(role="tested")
    held = drawn.loc[drawn["role"] == "validation", ["repeat", "participant_id", "fold"]].drop_duplicates()
    held = held.assign(role="validates fold " + held["fold"].astype(str)).drop(columns="fold")
    return pd.concat([tested, held]).sort_values(["repeat", "participant_id"], kind="stable").reset_index(drop=True)


def example_numbers(examples: Sequence[Example]) -> pd.DataFrame:
    """Class and person of each channel image; the image itself is in explanations.npz."""
    return pd.DataFrame([(example.label, example.person) for example in examples], columns=["class", "person"])


def contribution_numbers(items: Sequence[Contribution], slices_mm: Sequence[float], share: bool) -> pd.DataFrame:
    """Contribution of each slice and level of each cell of the mean map, by class.

    Returns
    -------
    DataFrame
        class, kind (slice, cell), place (z in mm, or row and column), mean, standard_error (slices only), scans (not with `share`).
    """
    rows: list[dict[str, Any]] = []
    for item in items:
        start = {"class": item.label, "scans": item.n}
        for z, mean, error in zip(slices_mm, item.mean, item.error, strict=True):
            rows.append(start | {"kind": "slice", "place": f"{z:g}", "mean": float(mean), "standard_error": float(error)})
        for row, column in np.ndindex(item.grid.shape):
            rows.append(start | {"kind": "cell", "place": f"{row},{column}", "mean": float(item.grid[row, column])})
    table = pd.DataFrame(rows, columns=["class", "kind", "place", "mean", "standard_error", "scans"])
    return table.drop(columns="scans") if share else table


def case_numbers(cases: Sequence[Case], slices_mm: Sequence[float]) -> pd.DataFrame:
    """Person, true and called class, probability, and what each slice contributes, of the cases of a gallery."""
    columns = [f"slice_{z:g}_mm" for z in slices_mm]
    rows = [[case.person, case.label, case.called, case.probability, *case.drops] for case in cases]
    return pd.DataFrame(rows, columns=["person", "class", "called", "probability", *columns])
