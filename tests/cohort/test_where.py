from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dawson.cohort.where import where_mask
from dawson.errors import ConfigError


@pytest.fixture
def people():
    return pd.DataFrame(
        {
            "age": [17, 30, np.nan, 64],
            "edss": [0.0, 2.5, 3.0, 6.5],
            "site": ["A", "B", None, "C"],
            "aqp4": pd.Series([True, False, None, True], dtype=object),
            "treated": [True, False, True, False],
            "lesion count": [1, 2, 3, 4],
            "class": ["x", "y", "x", "y"],
            "nothing": [None, None, None, None],
        }
    )


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("", [0, 1, 2, 3]),
        ("age >= 18", [1, 3]),
        ("age >= 18 and site != 'B'", [3]),
        ("site == 'A' or site == \"C\"", [0, 3]),
        ("site in ['A', 'B']", [0, 1]),
        ("site in ('A',)", [0]),
        ("site not in ['A', 'B']", [3]),
        ("site in []", []),
        ("18 <= age < 60", [1]),
        ("not age >= 18", [0]),
        ("(age < 18) | (edss > 6)", [0, 3]),
        ("(age > 18) & (edss > 6)", [3]),
        ("~(site == 'A')", [1, 3]),
        ("aqp4", [0, 3]),
        ("not aqp4", [1]),
        ("aqp4 == True", [0, 3]),
        ("treated and edss >= 1", [2]),
        ("`lesion count` > 2", [2, 3]),
        ("`class` == 'x'", [0, 2]),
        ("edss > -1.5", [0, 1, 2, 3]),
        ("age > edss", [0, 1, 3]),
        ("site > 'A'", [1, 3]),
        ("site is None", [2]),
        ("age is not None", [0, 1, 3]),
        ("nothing == 'a'", []),
        ("nothing != 3", []),
        ("site == 'it`s'", []),
        ("True", [0, 1, 2, 3]),
        ("age > 18 or True", [0, 1, 2, 3]),
    ],
)
def test_selection(people, expression, rows):
    assert np.flatnonzero(where_mask(expression, people)).tolist() == rows


def test_missing_is_selected_by_no_comparison_and_by_no_negation(people):
    for comparison in ("age == 30", "age != 30", "age < 30", "age in [30]", "age not in [30]"):
        for expression in (comparison, f"not ({comparison})"):
            assert not where_mask(expression, people)[2]


@pytest.mark.parametrize(
    "attack",
    [
        "__import__('os').system('touch hacked')",
        "(lambda: 1)() == 1",
        "age.__class__ == 1",
        "site[0] == 'A'",
        "[x for x in (1,)] == 1",
        "f'{age}' == 'x'",
        "age + 1 > 2",
        "'a' * 999999999 == site",
        "(age := 3) > 2",
        "age == 1 if True else False",
        "open('/etc/passwd') == 1",
        "site in site",
        "site in [site.upper()]",
        "age == 1; import os",
        "age @ 2",
        "1j == age",
        "b'x' == site",
        "... == age",
        "{'a': 1} == age",
        "await age",
        "age == \x00",
        "not " * 3000 + "treated",
        "(" * 900 + "treated" + ")" * 900,
        "x" * 5000,
    ],
)
def test_nothing_else_gets_in(people, attack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        where_mask(attack, people)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("agee > 3", r"unknown column agee.*Known columns: age, aqp4"),
        ("age >= '18'", "column age, numbers .*'18', text"),
        ("site == 1", "column site, text .*1, numbers"),
        ("age = 3", "cannot be read"),
        ("age", "compare it with something"),
        ("age == None", "is None"),
        ("age is 3", "write =="),
        ("site in 'AB'", "without a list"),
        ("age > 1 & edss < 2", "in parentheses|cannot"),
    ],
)
def test_errors_say_what_to_write(people, expression, says):
    with pytest.raises(ConfigError, match=says):
        where_mask(expression, people)
