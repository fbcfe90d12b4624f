"""The page that shows a federated training beside its alternatives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawson.federation.comparison import FEDERATED, arms_of, summarise
from dawson.files import write_tsv
from dawson.report.banners import banners
from dawson.report.comparator_figures import forest_figure
from dawson.report.rendering import write_page

if TYPE_CHECKING:
    import pandas as pd


def write_comparison_page(folder: Path, scores: pd.DataFrame, positive: str, title: str) -> Path:
    """Write scores.tsv, arms.tsv, differences.tsv and report.html of a comparison of simulated centres.

    Parameters
    ----------
    folder : Path
    scores : DataFrame
        Of `dawson.federation.comparison.compare`.
    positive : str
    title : str

    Returns
    -------
    Path
        Of the page.
    """
    import pandas as pd

    arms, differences = summarise(scores, positive)
    for name, table in (("scores", scores), ("arms", arms), ("differences", differences)):
        write_tsv(folder / f"{name}.tsv", table)
    whole = arms[arms["centre"] == ""]
    forest = pd.DataFrame(
        {
            "name": whole["training"], "size": "", "estimate": whole["estimate"], "low": whole["low"], "high": whole["high"],
            "main": whole["training"] == FEDERATED,
        }
    )  # fmt: skip
    context: dict[str, Any] = {
        "banners": banners(simulated=True, managed=None), "simulated": True, "title": title, "positive": positive,
        "patients": len(scores), "positives": int((scores["label"] == positive).sum()),
        "forest": forest_figure(forest, "arms", "AUC of each training on new patients, with 95 % intervals.", "Simulated data"),
        "differences": differences.to_dict("records"),
        "centres": sorted(set(arms["centre"]) - {""}), "arms": arms_of(scores),
        "cells": {(row["training"], row["centre"]): row for row in arms.to_dict("records")},
    }  # fmt: skip
    return write_page(folder / "report.html", "federation-comparison.html", context)
