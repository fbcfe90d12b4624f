"""What a site's policy refuses, and that its template says what it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawson.config import TrainingSection
from dawson.errors import ConfigError
from dawson.federation.plan import FederatedPlan
from dawson.federation.site_policy import PrivacyBudget, SitePolicy, policy_path, read_site_policy, write_site_policy_template
from dawson.files import write_text

TRAINING = TrainingSection(network="resnet18-narrow", learning_rate=1e-3)
PLAN = FederatedPlan(job="j", training=TRAINING)


def test_a_plan_within_the_policy_is_taken() -> None:
    assert SitePolicy(site="a").objection(PLAN, 3) is None


@pytest.mark.parametrize(
    ("policy", "plan", "sites", "reason"),
    [
        ({"analyses": ()}, {}, 3, "analysis"),
        ({}, {"purpose": "general-research"}, 3, "purpose"),
        ({}, {}, 1, "too-few-sites"),
        ({"minimum_sites": 3}, {}, 3, "too-few-sites"),
        ({"networks": ("resnet18",)}, {}, 3, "settings"),
        ({}, {"training": TRAINING.model_copy(update={"learning_rate": 0.5})}, 3, "settings"),
        ({}, {"local_epochs": 11}, 3, "settings"),
        ({"maximum_rounds": 10}, {}, 3, "settings"),
        ({"budget": PrivacyBudget(epsilon=1, required=True)}, {}, 3, "budget"),
    ],
)
def test_a_plan_outside_the_policy_is_refused(policy: dict[str, object], plan: dict[str, object], sites: int, reason: str) -> None:
    found = SitePolicy(site="a", **policy).objection(PLAN.model_copy(update=plan), sites)  # type: ignore[arg-type]
    assert found is not None and found[0] == reason and found[1]


def test_the_template_is_the_default_and_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "governance").mkdir()
    path = write_site_policy_template(tmp_path, "ljubljana")
    assert path == policy_path(tmp_path) and read_site_policy(path) == SitePolicy(site="ljubljana")
    with pytest.raises(ConfigError, match="policy already"):
        write_site_policy_template(tmp_path, "seoul")
    write_text(path, path.read_text().replace("byoc = false", "byoc = true"))
    with pytest.raises(ConfigError, match="byoc"):
        read_site_policy(path)
    with pytest.raises(ConfigError, match="takes part in nothing"):
        read_site_policy(tmp_path / "none.toml")
