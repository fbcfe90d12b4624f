from __future__ import annotations

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from dawson.statistics.life_table import life_table


def test_without_anybody_leaving_it_is_the_share_that_is_left() -> None:
    table = life_table([50, 40, 20], [10, 20, 5], [0, 0, 0])
    np.testing.assert_allclose(table.survival, [0.8, 0.4, 0.3])


def test_greenwood_agrees_with_statsmodels_where_nobody_leaves_within_an_interval() -> None:
    times = np.repeat([1.0, 2.0, 3.0, 4.0], [10, 20, 5, 15])
    status = np.repeat([1, 1, 1, 0], [10, 20, 5, 15])
    theirs = SurvfuncRight(times, status)
    table = life_table([50, 40, 20], [10, 20, 5], [0, 0, 0])
    np.testing.assert_allclose(table.survival, theirs.surv_prob[:3])
    # their standard error on the scale of survival, ours on that of log(-log)
    spread = theirs.surv_prob_se[:3] / (theirs.surv_prob[:3] * np.abs(np.log(theirs.surv_prob[:3])))
    at = np.log(-np.log(theirs.surv_prob[:3]))
    np.testing.assert_allclose(table.low, np.exp(-np.exp(at + 1.959964 * spread)), rtol=1e-5)
    np.testing.assert_allclose(table.high, np.exp(-np.exp(at - 1.959964 * spread)), rtol=1e-5)


def test_whoever_leaves_counts_half() -> None:
    assert life_table([100], [10], [20]).survival[0] == pytest.approx(1 - 10 / 90)


def test_no_event_has_no_interval() -> None:
    table = life_table([30, 30], [0, 3], [0, 0])
    assert np.isnan(table.low[0]) and np.isnan(table.high[0])
    assert 0 < table.low[1] < 0.9 < table.high[1] < 1
