"""Without rounding and noise, and where nothing is withheld, an answer over sites is that of all people together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm


def everybody(network: Any) -> pd.DataFrame:
    return pd.concat(network.tables.values(), ignore_index=True)


def test_counts(network: Any) -> None:
    rows = network.rows(network.answered("counts", group_by=("diagnosis", "sex")))
    people = everybody(network)
    expected = people.groupby(["diagnosis", "sex"]).size()
    cells = {(row["diagnosis"], row["sex"]): row["people"] for row in rows}
    assert cells["all", "all"] == len(people)
    for (diagnosis, sex), count in expected.items():
        assert cells[diagnosis, sex] == count
    assert not any("MOGAD" in key for key in cells)


def test_summary(network: Any) -> None:
    rows = network.rows(network.answered("summary", variables=("age", "aqp4"), group_by=("diagnosis",)))
    people = everybody(network)
    for row in rows:
        chosen = people if row["diagnosis"] == "all" else people[people["diagnosis"] == row["diagnosis"]]
        if row["variable"] == "age":
            assert row["people"] == len(chosen)
            assert row["mean"] == pytest.approx(chosen["age"].mean(), abs=1e-8)
            assert row["sd"] == pytest.approx(chosen["age"].std(), abs=1e-8)
        elif row["level"]:
            assert row["share"] == pytest.approx((chosen["aqp4"] == row["level"]).mean(), abs=1e-8)
    assert {row["diagnosis"] for row in rows} == {"all", "MS", "NMOSD"}


def test_linear_regression(network: Any) -> None:
    gathered = network.answered("linear", outcome="edss", variables=("age", "sex", "diagnosis"), levels={"diagnosis": ("MS", "NMOSD")})
    people = everybody(network)
    design = np.column_stack([np.ones(len(people)), people["age"], people["sex"] == "M", people["diagnosis"] == "NMOSD"]).astype(float)
    pooled = sm.OLS(people["edss"].to_numpy(), design).fit()
    rows = network.rows(gathered)
    assert [row["term"] for row in rows] == ["intercept", "age", "sex:M", "diagnosis:NMOSD"]
    np.testing.assert_allclose([row["coefficient"] for row in rows], pooled.params, atol=1e-8)
    np.testing.assert_allclose([row["standard error"] for row in rows], pooled.bse, atol=1e-8)
    np.testing.assert_allclose([row["p"] for row in rows], pooled.pvalues, atol=1e-8)


def test_logistic_regression_goes_on_in_rounds(network: Any) -> None:
    gathered = network.answered("logistic", outcome="aqp4", outcome_level="positive", variables=("age", "sex"))
    people = everybody(network)
    design = np.column_stack([np.ones(len(people)), people["age"], people["sex"] == "M"]).astype(float)
    pooled = sm.Logit((people["aqp4"] == "positive").to_numpy(float), design).fit(disp=0, tol=1e-12)
    rows = network.rows(gathered)
    assert gathered.round > 3
    np.testing.assert_allclose([row["coefficient"] for row in rows], pooled.params, atol=1e-8)
    np.testing.assert_allclose([row["standard error"] for row in rows], pooled.bse, atol=1e-8)


def test_where_chooses_people(network: Any) -> None:
    rows = network.rows(network.answered("counts", where="age >= 40 and sex == 'F'"))
    people = everybody(network)
    assert rows == [{"people": int(((people["age"] >= 40) & (people["sex"] == "F")).sum())}]


def test_a_site_alone_answers_too(network: Any) -> None:
    rows = network.rows(network.answered("counts", sites=("B",)))
    assert rows == [{"people": 90}]


def test_time_to_relapse(network: Any) -> None:
    rng = np.random.default_rng(5)
    total = np.zeros((2, 2))
    for site, table in network.tables.items():
        for person in table["participant_id"]:
            days, relapse = [0, int(rng.integers(20, 1000))], rng.random() < 0.5
            total += [[days[1] > 0, relapse and days[1] <= 365], [days[1] > 365, relapse and 365 < days[1] <= 730]]
            sessions = pd.DataFrame(
                {
                    "session_id": ["ses-01", "ses-02"],
                    "days_from_baseline": days,
                    "clinical_status": ["remission", "relapse" if relapse else "remission"],
                }
            )
            for session in sessions["session_id"]:
                (network.study(site) / person / session / "anat").mkdir(parents=True, exist_ok=True)
            sessions.to_csv(network.study(site) / person / f"{person}_sessions.tsv", sep="\t", index=False)
    rows = network.rows(network.answered("time-to-relapse"))
    assert [row["interval"] for row in rows][:2] == ["0 to 1 years", "1 to 2 years"]
    assert [(row["entering"], row["relapses"]) for row in rows[:2]] == [tuple(line) for line in total]
    left = total[0, 0] - total[0, 1] - total[1, 0]
    assert rows[0]["free of relapse"] == pytest.approx(1 - total[0, 1] / (total[0, 0] - left / 2))
