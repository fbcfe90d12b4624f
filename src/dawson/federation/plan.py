"""What a federated training is: the plan that the coordinator proposes and every site checks against its own policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dawson.config import PreprocessSection, Section, TrainingSection, read_toml, validated
from dawson.files import digest_of

SiteName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
JobName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
ClassName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9 _+-]{0,39}$")]

Normalisation = Literal["groupnorm", "fedbn", "average"]
"""How batch normalisation is handled: replaced by group normalisation, kept at each site, or averaged like every other weight."""
ANALYSIS = "train-classifier"
"""Name of this use in a site's policy."""


class PrivacyPart(Section):
    """Differentially private steps at every site (see `dawson.federation.private_training`).

    Parameters
    ----------
    noise_multiplier : float
        Standard deviation of the noise over `bound`.
    bound : float
        Largest norm of one person's gradient.
    people_per_step : float
        Expected number of people in a step.
    """

    noise_multiplier: Annotated[float, Field(gt=0, le=1000)]
    bound: Annotated[float, Field(gt=0, le=1000)] = 1.0
    people_per_step: Annotated[float, Field(ge=1, le=10_000)] = 16.0


class FederatedPlan(Section):
    """A federated training of the classification study; which people take part and their columns are each site's own affair.

    Parameters
    ----------
    job : str
        Names the folders of the job at every party.
    purpose : str
        As in consent: what the result is for.
    classes : tuple of str
    positive : str
    preprocess : PreprocessSection
        How channel images are made; every site's must be the same.
    training : TrainingSection
        `epochs` counts for a centre alone and for the pooled training; a round has `local_epochs`.
    rounds, local_epochs : int
    proximal : float
        mu of FedProx (Li et al., MLSys 2020): mu / 2 times the squared distance to the weights of the round's start is added to the
        loss. 0 is FedAvg (McMahan et al., AISTATS 2017).
    normalisation : {"groupnorm", "fedbn", "average"}
    folds : int
        One in so many people validates, at every site.
    seed : int
    minimum_sites : int
        Fewer end the job.
    maximum_norm : float
        An update of greater Euclidean norm is not taken.
    norm_factor : float
        Nor one that is so many times the lower median of the sites' norms.
    privacy : PrivacyPart or None
        Without it weights may give away who was trained with. With it a round takes as many steps as `local_epochs` passes would, without
        augmentation and with the learning rate of `training`, and each site takes the cost off its own budget.
    """

    job: JobName
    purpose: Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,62}$")] = "disease-research"
    classes: Annotated[tuple[ClassName, ...], Field(min_length=2, max_length=20)] = ("MS", "NMOSD")
    positive: ClassName = "NMOSD"
    preprocess: PreprocessSection = PreprocessSection()
    training: TrainingSection = TrainingSection()
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 20
    local_epochs: Annotated[int, Field(ge=1, le=100)] = 1
    proximal: Annotated[float, Field(ge=0, le=1e3)] = 0.0
    normalisation: Normalisation = "groupnorm"
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    minimum_sites: Annotated[int, Field(ge=1, le=1000)] = 2
    maximum_norm: Annotated[float, Field(gt=0)] = 1000.0
    norm_factor: Annotated[float, Field(gt=1)] = 5.0
    privacy: PrivacyPart | None = None

    @model_validator(mode="after")
    def _private_is_possible(self) -> FederatedPlan:
        if self.privacy is not None and (self.normalisation != "groupnorm" or self.proximal):
            raise ValueError('[privacy] needs normalisation = "groupnorm" (batch normalisation mixes people) and proximal = 0')
        return self

    @model_validator(mode="after")
    def _positive_is_a_class(self) -> FederatedPlan:
        if len(set(self.classes)) != len(self.classes) or self.positive not in self.classes:
            raise ValueError(f"positive = {self.positive!r} must be one of the different classes = {list(self.classes)}")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of everything it says."""
        return digest_of(self.model_dump(mode="json"))


def read_plan(path: Path) -> FederatedPlan:
    """Read a plan from its TOML file.

    Raises
    ------
    ConfigError
    """
    return validated(FederatedPlan, read_toml(path), str(path), "Correct the setting; docs/how-to/run-a-network lists them all.")
