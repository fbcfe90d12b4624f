"""The section "Sites": what it tells, and what it keeps to itself in a report for others."""

from __future__ import annotations

import re
from typing import Any

from dawson.report.harmonisation import harmonisation_section
from dawson.report.numbering import Numbering
from dawson.report.rendering import environment

TOLD = {
    "auc": {"estimate": 0.91, "low": 0.85, "high": 0.96}, "accuracy": {"estimate": 0.8, "low": 0.7, "high": 0.88, "method": "Wilson score"},
    "chance_auc": {"mean": 0.5, "p95": 0.6}, "chance_accuracy": {"mean": 0.34, "p95": 0.41}, "p_auc": 0.01, "p_accuracy": 0.01,
    "permutations": 99, "n": 66, "sites": ["a", "b"],
}  # fmt: skip


def content(**more: Any) -> dict[str, Any]:
    return {
        "site_column": "site",
        "settings": {
            "intensity": "nyul", "features": "combat", "covariates": ["age", "sex"], "reference_site": "Seoul", "unseen": "estimate",
        },
        "sites": {"Seoul": {"MS": 30, "NMOSD": 30}, "Hillside": {"MS": 3, "NMOSD": 0}},
        "cramers_v": 0.42, "cramers_v_corrected": 0.38, "one_class_sites": {"Hillside": "MS"},
        "warning": "Site and diagnosis are confounded: everybody of site Hillside (3) has MS.",
        "features": {
            "fits": 5, "features": 47, "fewest_adjusted": 40, "left_as_they_are": ["n_callosal"] * 7,
            "unseen_sites": {"Hillside": 3}, "unseen": "estimate",
        },
        "predictability": [
            {"what": "lesion features", "before": TOLD, "after": TOLD}, {"what": "channel images", "reason": "sub-07 is broken."},
        ],
    } | more  # fmt: skip


def page(content: dict[str, Any], share: bool) -> str:
    template = environment().get_template("study/harmonisation.html")
    metrics = {"confidence": 0.95}
    return template.render(harmonisation=harmonisation_section(content, share), simulated=True, number=Numbering(), metrics=metrics)


def test_a_run_without_it_has_no_section() -> None:
    assert harmonisation_section(None) is None


def test_it_warns_and_tells_what_was_done_with_numbers() -> None:
    text = page(content(), share=False)
    assert "Warning." in text and "everybody of site Hillside (3) has MS" in text
    assert "to the values of site Seoul" in text and "keeping what age and sex explain" in text and "Of 47 features, 7 were left" in text
    assert "Site Hillside had nobody in the training of some fold: its effect was estimated" in text
    assert "0.91 (0.85–0.96)" in text and "0.50 (95 % below 0.60)" in text and "sub-07 is broken" in text
    assert text.count('class="sim"') == 2


def test_for_others_it_names_no_site_and_counts_nobody() -> None:
    text = page(content(), share=True)
    assert not re.search(r"Hillside|Seoul|sub-07|\(3\)", text)
    assert "Cramer&#39;s V is 0.42; at 1 site everybody has the same diagnosis" in text and "0.91 (0.85–0.96)" in text


def test_a_refused_site_is_told_as_refused() -> None:
    refused = content()["features"] | {"unseen": "refuse"}
    assert "not harmonised, but refused" in page(content(features=refused), share=False)


def test_a_warning_alone_says_that_nothing_was_done() -> None:
    plain = content()
    settings = plain["settings"] | {"intensity": "none", "features": "none"}
    text = page({**plain, "settings": settings, "predictability": []}, share=False)
    assert "Nothing was done about differences between sites." in text and "ComBat" not in text
