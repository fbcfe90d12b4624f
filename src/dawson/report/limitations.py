"""What a study's result does not say, derived from the study itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dawson.report.experiment import Experiment
from dawson.report.findings import part_of, reason_of
from dawson.report.formatting import listed
from dawson.report.lesion_masks import TRUE_LESIONS, true_lesions
from dawson.report.saliency import tests_with
from dawson.report.soft_labels import soft_limit

ANYTHING_ELSE = "another disease, or a healthy brain unless that is one of the classes"


def limitations(experiment: Experiment, participants: pd.DataFrame, simulated: bool, count_shown: bool = True) -> list[str]:
    """Sentences for the section on limits.

    Parameters
    ----------
    experiment : Experiment
    participants : DataFrame
        participants.tsv of those analysed.
    simulated : bool
    count_shown : bool
        Whether the number of test patients may be told.
    """
    config, found = experiment.config, []
    if simulated:
        found.append("The patients are simulated: the result shows that the software works, not that the diseases can be told apart.")
    people = sum(experiment.metrics["n_test_participants"].values())
    if people < 100:
        who = str(people) if count_shown else "The"
        found.append(f"{who} test patients are few; intervals are wide, and the least of them in classes with the fewest patients.")
    site = config.study.site_column
    sites = participants[site].dropna().nunique() if site in participants else 0
    if sites <= 1:
        found.append("All patients come from one site, or no site is recorded: nothing is known about other scanners and hospitals.")
    elif config.split.scheme not in ("leave-one-site-out", "external"):
        found.append(
            f"Patients of all {sites} sites are in training and in testing; a new site may do worse (scheme leave-one-site-out tests this)."
        )
    found += [
        f"The model knows only {listed(experiment.classes)}. Shown anything else ({ANYTHING_ELSE}), it still answers one of them.",
        "The intervals are about patients, with the way of training fixed; another network or other settings may do better or worse.",
        "Predictive values hold at one prevalence only.",
        "Whether a scan was taken in relapse or remission, under which treatment, and after how many years of "
        "disease is not controlled for.",
    ]
    if said := soft_limit(experiment.metrics):
        found.append(said)
    return found + _of_findings(experiment)


def _of_findings(experiment: Experiment) -> list[str]:
    """Limits of what was, or was not, done beyond the figures of merit."""
    findings = experiment.findings
    found = []
    if part_of(findings.trust, "calibration"):
        found.append("Probabilities are calibrated to patients like these, at their prevalence; elsewhere they must be calibrated again.")
    else:
        found.append("Probabilities are means of network outputs and were not calibrated.")
    if part_of(findings.trust, "abstention"):
        found.append("The promise of “cannot tell” holds for patients drawn like these; at another site it may be broken.")
    if findings.comparison is None or reason_of(findings.comparison):
        found.append("No other model was compared: what age and sex alone, or a rule on the ward, would reach here is not known.")
    if true_lesions(findings.comparison, findings.saliency):
        found.append(f"What comparators and tests of the maps know of lesions is too good: the {TRUE_LESIONS}.")
    if findings.subgroups and not reason_of(findings.subgroups):
        found.append("Groups of patients are small and many: a difference between two of them is a question, not an answer.")
    found.append(f"Explanations show what the network reacts to, not why a disease looks so. {_of_maps(findings.saliency)}")
    return found


def _of_maps(saliency: Mapping[str, Any] | None) -> str:
    """Failed is said only of maps that failed a test, not of those that were not put to one."""
    passed = (saliency or {}).get("passed")
    if passed is True:
        return "The maps passed the tests made here, which none of the eight methods of Arun et al. 2021 did in full."
    if tests_with(saliency, False):
        return "The maps failed at least one test of trust here, as did every method of Arun et al. 2021: do not read them as reasons."
    if passed is False:
        missing = tests_with(saliency, None)
        why = (
            f"{listed(missing).lower()} {'was' if len(missing) == 1 else 'were'} not tested"
            if missing
            else "networks with random weights pass as well"
        )
        return f"The maps did not pass every test of trust; {why}: do not read them as reasons."
    return "Every saliency method tested by Arun et al. 2021 failed at least one test of trust."
