"""The sections of a study report that are told from the findings beside metrics.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from dawson.report.comparator_figures import forest_figure, models_table, net_benefit_figure, net_benefit_table
from dawson.report.comparators import Comparators, comparators_section
from dawson.report.experiment import Experiment
from dawson.report.formatting import as_entry
from dawson.report.harmonisation import Harmonisation, harmonisation_section
from dawson.report.learning_curve import LearningCurve, learning_section, learning_table
from dawson.report.learning_curve_figure import learning_curve_figure
from dawson.report.saliency import Saliency, saliency_section
from dawson.report.subgroups import Subgroups, subgroups_section, subgroups_table
from dawson.report.trust import Trust, trust_section
from dawson.report.trust_figures import reliability_figure, reliability_table, risk_figure, risk_table

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Sections:
    """What the page says of the findings; None where a run has none of a kind.

    Parameters
    ----------
    trust, comparators, subgroups, saliency, learning, harmonisation
        Sentences and rows.
    figures : mapping of str to Markup or None
        reliability, risk-coverage, models, net-benefit, subgroups, learning-curve.
    tables : mapping of str to DataFrame
        The numbers of each figure, under the same name.
    """

    trust: Trust | None
    comparators: Comparators | None
    subgroups: Subgroups | None
    saliency: Saliency | None
    learning: LearningCurve | None
    harmonisation: Harmonisation | None
    figures: Mapping[str, Markup | None]
    tables: Mapping[str, pd.DataFrame]


def sections_of(run: Experiment, note: str, share: bool, count_shown: bool) -> Sections:
    """Tell the findings of a run.

    Parameters
    ----------
    run : Experiment
    note : str
        What stands in the figures themselves, such as "Simulated patients".
    share : bool
        Leave out what would tell of 1 to 4 people.
    count_shown : bool
        Whether the number of test patients may be told.
    """
    findings, metrics = run.findings, run.metrics
    curve = findings.learning_curve if count_shown else None
    everybody = metrics["headline"].get("auc") if len(run.classes) == 2 else metrics["per_class"][run.positive].get("auc")
    tables = {
        "reliability": reliability_table(findings.trust, share),
        "risk-coverage": risk_table(findings.trust, sum(metrics["n_test_participants"].values()), share),
        "models": models_table(findings.comparison),
        "net-benefit": net_benefit_table(findings.comparison),
        "subgroups": subgroups_table(findings.subgroups, everybody, share),
        "learning-curve": learning_table(curve),
    }
    people = sum(metrics["n_test_participants"].values())
    line = as_entry(everybody).get("estimate")
    return Sections(
        trust=trust_section(findings.trust, share, people),
        comparators=comparators_section(findings.comparison, count_shown and not share),
        subgroups=subgroups_section(findings.subgroups, everybody, share, run.positive),
        saliency=saliency_section(findings.saliency, share),
        learning=learning_section(findings.learning_curve, count_shown),
        harmonisation=harmonisation_section(findings.harmonisation, share),
        figures={
            "reliability": reliability_figure(tables["reliability"], run.positive, note),
            "risk-coverage": risk_figure(tables["risk-coverage"], note),
            "models": forest_figure(tables["models"], "models", "AUC of each model with its interval", note),
            "net-benefit": net_benefit_figure(tables["net-benefit"], run.positive, note),
            "subgroups": forest_figure(tables["subgroups"], "subgroups", "AUC by group of patients with its interval", note, line),
            "learning-curve": learning_curve_figure(curve or {}, note),
        },
        tables=tables,
    )
