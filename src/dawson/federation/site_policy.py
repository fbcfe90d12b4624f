"""What a site lets federated trainings do with its people: a file that the site owns, in governance/federation.toml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dawson.config import Section, read_toml, validated
from dawson.errors import ConfigError
from dawson.federation.plan import ANALYSIS, FederatedPlan, SiteName
from dawson.files import write_text
from dawson.governance.ledger import governance_folder

if TYPE_CHECKING:
    from dawson.federation.messages import Reason

POLICY = "federation.toml"


class PrivacyBudget(Section):
    """What private trainings may spend, all together; epsilon 0 demands none and allows only trainings without.

    Parameters
    ----------
    epsilon, delta : float
        Per person, over all jobs of the study.
    required : bool
        Whether trainings without differential privacy are refused.
    """

    epsilon: Annotated[float, Field(ge=0)] = 0.0
    delta: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    required: bool = False


class SitePolicy(Section):
    """The whole of governance/federation.toml.

    Parameters
    ----------
    site : str
        Name of this site in the network.
    purposes, analyses, networks : tuple of str
        What may be done, for what, with which networks.
    minimum_cell : int
        The fewest people over whom anything is told.
    count_step : int
        Numbers of people are told as multiples of it, rounded down.
    minimum_sites : int
        With fewer invited sites, or where a job would go on with fewer, the site does not take part.
    byoc : bool
        Whether code that comes with a job may run. It never may: only Dawson as it is installed at the site runs there.
    maximum_learning_rate, maximum_local_epochs, maximum_rounds
        A training may not go past these: weights that moved far towards single people give them away.
    budget : PrivacyBudget
    """

    site: SiteName
    purposes: Annotated[tuple[str, ...], Field(min_length=1)] = ("disease-research",)
    analyses: tuple[str, ...] = (ANALYSIS,)
    networks: Annotated[tuple[str, ...], Field(min_length=1)] = ("resnet18", "resnet18-narrow")
    minimum_cell: Annotated[int, Field(ge=1, le=1000)] = 10
    count_step: Annotated[int, Field(ge=1, le=100)] = 5
    minimum_sites: Annotated[int, Field(ge=1, le=1000)] = 2
    byoc: Literal[False] = False
    maximum_learning_rate: Annotated[float, Field(gt=0)] = 0.01
    maximum_local_epochs: Annotated[int, Field(ge=1)] = 10
    maximum_rounds: Annotated[int, Field(ge=1)] = 500
    budget: PrivacyBudget = PrivacyBudget()

    def objection(self, plan: FederatedPlan, sites: int) -> tuple[Reason, str] | None:
        """Why a plan for so many invited sites is refused: the code that the coordinator is told, and the sentence for the site's log."""
        if ANALYSIS not in self.analyses:
            return "analysis", f"{ANALYSIS} is not among the allowed analyses"
        if plan.purpose not in self.purposes:
            return "purpose", f"the purpose {plan.purpose} is not among {', '.join(self.purposes)}"
        if min(sites, plan.minimum_sites) < self.minimum_sites:
            return (
                "too-few-sites",
                f"{sites} sites, of which {plan.minimum_sites} are enough for the job; the policy asks for {self.minimum_sites}",
            )
        if self.budget.required and plan.privacy is None:
            return "budget", "the policy allows only differentially private trainings, and the plan is none"
        if plan.privacy is not None and not self.budget.epsilon:
            return "budget", "the plan is differentially private, and the policy sets no budget"
        if plan.training.network not in self.networks:
            return "settings", f"the network {plan.training.network} is not among {', '.join(self.networks)}"
        for name, value, limit in (
            ("learning_rate", plan.training.learning_rate, self.maximum_learning_rate),
            ("local_epochs", plan.local_epochs, self.maximum_local_epochs),
            ("rounds", plan.rounds, self.maximum_rounds),
        ):
            if value > limit:
                return "settings", f"{name} = {value:g} is more than {limit:g}"
        return None


def policy_path(study: Path | str) -> Path:
    """Where the policy of a study lies."""
    return governance_folder(study) / POLICY


def read_site_policy(path: Path) -> SitePolicy:
    """Read a site's policy.

    Raises
    ------
    ConfigError
        There is none, it is not TOML, or it says something that cannot be used.
    """
    if not path.is_file():
        raise ConfigError(f"There is no policy {path}: the site takes part in nothing.", "Write one; its template explains every entry.")
    return validated(SitePolicy, read_toml(path), str(path), "Correct the policy; its comments explain every entry.")


def write_site_policy_template(study: Path | str, site: str) -> Path:
    """Write a policy to be read and changed by the site, with every entry explained.

    Raises
    ------
    ConfigError
        There is one already, or the name cannot be a site's.
    """
    path = policy_path(study)
    if path.exists():
        raise ConfigError(f"There is a policy already: {path}.", "Edit it; it is not overwritten.")
    validated(SitePolicy, {"site": site}, str(path), "Give a name of small letters, digits and -.")
    write_text(path, _TEMPLATE.format(site=site))
    return path


_TEMPLATE = """\
# Which federated trainings may use this study while its data stay here. What this file does not allow is refused.

site = "{site}"
# For what: disease-research, health-research, general-research, methods-development. Consent is asked besides.
purposes = ["disease-research"]
analyses = ["train-classifier"]
networks = ["resnet18", "resnet18-narrow"]
# The fewest people over whom anything is told; nobody counts as too few.
minimum_cell = 10
# Numbers of people are told as multiples of this, rounded down.
count_step = 5
# With fewer sites than this nothing is trained.
minimum_sites = 2
# Code that comes with a job never runs here; true is refused.
byoc = false
# Limits of what a training may ask for.
maximum_learning_rate = 0.01
maximum_local_epochs = 10
maximum_rounds = 500

[budget]
# What differentially private trainings may spend per person, all together; required = true refuses the others.
epsilon = 0.0
delta = 1e-5
required = false
"""
