"""What a study's result does not say, derived from the study itself."""

from __future__ import annotations

import pandas as pd

from dawson.report.experiment import Experiment
from dawson.report.formatting import listed


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
        f"The model knows only {listed(experiment.classes)}. Shown anything else, including a healthy brain, it still answers one of them.",
        "The intervals are about patients, with the way of training fixed; another network or other settings may do better or worse.",
        "Predictive values hold at one prevalence only.",
        "Whether a scan was taken in relapse or remission, under which treatment, and after how many years of "
        "disease is not controlled for.",
        "Probabilities are means of network outputs and were not calibrated.",
        "Explanations show what the network reacts to, not why a disease looks so. Every saliency method tested "
        "by Arun et al. 2021 "
        "failed at least one test of trust.",
    ]
    return found
