"""What a site lets others ask, and what may leave it: a file that the site owns, in governance/enclave.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dawson.config import Section, read_toml, validated
from dawson.errors import EnclaveError
from dawson.files import write_text
from dawson.governance.ledger import governance_folder

POLICY = "enclave.toml"
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Party(Section):
    """Somebody whose signature counts: a researcher or a site.

    Parameters
    ----------
    name : str
    key : str
        Public key, hexadecimal, from `dawson request key`, come by another way than the requests.
    """

    name: Annotated[str, Field(pattern=r"^[\w .@-]{1,80}$")]
    key: Key


class DisclosureRules(Section):
    """What makes a sum safe.

    Parameters
    ----------
    minimum : int
        The fewest people over whom anything is said.
    dominant_people, dominant_share : int, float
        N-K rule: refused where so many people make up more than so much of a sum.
    guess_ratio : float
        p-ratio rule: refused where the second could work out the first so closely.
    distinct : int
        A number with no more distinct values in a cell is a category in disguise.
    uniform : {"suppress", "show"}
        What happens to a cell that holds everybody of its group, which says something of each of them.
    round_counts : int
        Tables show numbers of people to the nearest multiple; 1 does not round.
    people_per_coefficient : int
        Of a regression.
    """

    minimum: Annotated[int, Field(ge=2)] = 10
    dominant_people: Annotated[int, Field(ge=1)] = 2
    dominant_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    guess_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.1
    distinct: Annotated[int, Field(ge=1)] = 3
    uniform: Literal["suppress", "show"] = "suppress"
    round_counts: Annotated[int, Field(ge=1)] = 1
    people_per_coefficient: Annotated[int, Field(ge=1)] = 10


class NoiseRules(Section):
    """Noise on counts and sums of tables, with a budget for all questions together.

    Parameters
    ----------
    epsilon : float
        Spent by one question; 0 adds no noise.
    budget : float
        When this is spent the site answers no more questions with noise.
    """

    epsilon: Annotated[float, Field(ge=0)] = 0.0
    budget: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _affordable(self) -> NoiseRules:
        if self.epsilon > self.budget:
            raise ValueError(f"one question (epsilon = {self.epsilon:g}) costs more than the whole budget ({self.budget:g})")
        return self


class EnclavePolicy(Section):
    """The whole of governance/enclave.toml.

    Parameters
    ----------
    site : str
        Name of this site in requests and answers.
    analyses, purposes : tuple of str
        What may be asked, and for what; no analysis listed: all of the catalogue.
    withheld : tuple of str
        Variables that are not answered about.
    reviewers : tuple of str
        Accounts that may release an answer. Whoever let a request in may not release its answer.
    questions : int
        How many requests of one project are answered.
    refusals : int
        After how many refused requests a project has to talk to the site first.
    researchers, sites : tuple of Party
        Whose requests are taken, and with which sites' rounds of an analysis this one goes on.
    """

    site: Annotated[str, Field(pattern=r"^[\w-]{1,40}$")]
    analyses: tuple[str, ...] = ()
    purposes: Annotated[tuple[str, ...], Field(min_length=1)] = ("disease-research",)
    withheld: tuple[str, ...] = ()
    reviewers: Annotated[tuple[str, ...], Field(min_length=1)]
    questions: Annotated[int, Field(ge=1)] = 100
    refusals: Annotated[int, Field(ge=1)] = 10
    disclosure: DisclosureRules = DisclosureRules()
    noise: NoiseRules = NoiseRules()
    researchers: tuple[Party, ...] = ()
    sites: tuple[Party, ...] = ()


def policy_path(study: Path | str) -> Path:
    """Where the policy of a study lies."""
    return governance_folder(study) / POLICY


def read_policy(study: Path | str) -> EnclavePolicy:
    """Read a site's policy.

    Raises
    ------
    EnclaveError
        There is none.
    ConfigError
        It is not TOML, or says something that cannot be used.
    """
    path = policy_path(study)
    if not path.is_file():
        raise EnclaveError(f"{study} answers no requests: it has no {path}.", f"Write one: dawson site init {study} --name NAME")
    return validated(EnclavePolicy, read_toml(path), str(path), "Correct the policy; its comments explain every entry.")


def write_policy_template(study: Path | str, site: str, reviewer: str) -> Path:
    """Write a policy to fill in, with every entry explained.

    Raises
    ------
    EnclaveError
        There is one already.
    """
    path = policy_path(study)
    if path.exists():
        raise EnclaveError(f"There is a policy already: {path}.", "Edit it; it is not overwritten.")
    text = _TEMPLATE.format(site=site, reviewer=reviewer.replace('"', ""))
    validated(EnclavePolicy, _parsed(text), str(path), "Give a name of letters, digits, - and _.")
    write_text(path, text)
    return path


def _parsed(text: str) -> dict[str, object]:
    import tomllib

    return tomllib.loads(text)


_TEMPLATE = """\
# What others may ask of this study while its data stay here. Nothing is answered that this file does not permit.

site = "{site}"
# No analysis listed: all that `dawson request analyses` shows.
analyses = []
purposes = ["disease-research"]
# Variables that are not answered about.
withheld = []
# Accounts that may release an answer; whoever lets a request in may not release its answer, so name two people at least.
reviewers = ["{reviewer}"]
# How many requests of one project are answered, and after how many refusals it has to talk to you first.
questions = 100
refusals = 10

[disclosure]
# The fewest people over whom anything is said; zero counts as too few.
minimum = 10
# No sum of which 2 people make up more than 90 %, or of which the second largest could work out the largest to 10 %.
dominant_people = 2
dominant_share = 0.9
guess_ratio = 0.1
# A number with no more distinct values among the people of a cell is a category in disguise.
distinct = 3
# "show" lets a table say that everybody of a group is alike.
uniform = "suppress"
# 5 shows numbers of people in tables to the nearest 5.
round_counts = 1
people_per_coefficient = 10

[noise]
# epsilon of one question and of all together; 0 adds no noise.
epsilon = 0.0
budget = 0.0

# Whose requests are taken. The key is what `dawson request key` prints at theirs; compare it by telephone.
# [[researchers]]
# name = "Dr. A. Example"
# key = "..."

# The other sites, for analyses that go in rounds.
# [[sites]]
# name = "B"
# key = "..."
"""
