"""Everything that may cross a site's border: closed schemas, without free text, without rows, without names of people.

Two kinds go two ways. A task goes from the coordinator to a site and says what to do; a message is all that a site ever answers. What is
no message of this file cannot be sent: `check_outgoing` is asked before every sending.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dawson.errors import GovernanceError
from dawson.federation.plan import ClassName, FederatedPlan, JobName, SiteName

MAXIMUM_WEIGHTS = 200_000_000
"""Weights in one message, 0.8 GB."""
ROC_BINS, CALIBRATION_BINS = 20, 5
"""Equal parts of [0, 1] in which predicted probabilities are counted; a site may join neighbours, never divide."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
WeightName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{1,200}$")]
Arrays = dict[WeightName, Any]
Shapes = Mapping[str, tuple[int, ...]]

Reason = Literal[
    "consent", "purpose", "analysis", "settings", "too-few-people", "too-few-sites", "budget", "unknown-job", "unreadable", "not-finite",
    "internal",
]  # fmt: skip
"""Why a site does not do a task. The sentence behind it stays in the site's own log, since it may name people and files."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _WithArrays(_Closed):
    arrays: Annotated[Arrays, Field(min_length=1, max_length=5000)]

    @field_validator("arrays")
    @classmethod
    def _are_float32(cls, arrays: Arrays) -> Arrays:
        for name, array in arrays.items():
            if type(array) is not np.ndarray or array.dtype != np.float32:
                raise ValueError(f"{name} is no array of float32")
        if sum(array.size for array in arrays.values()) > MAXIMUM_WEIGHTS:
            raise ValueError(f"more than {MAXIMUM_WEIGHTS} weights")
        return arrays

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array."""
        return {name: array.shape for name, array in self.arrays.items()}


class BeginTask(_Closed):
    """Take part in a job: the site checks it against its policy and says whom it would train on, in numbers."""

    kind: Literal["begin"] = "begin"
    plan: FederatedPlan
    sites: Annotated[int, Field(ge=1, le=1000)]


class TrainTask(_WithArrays):
    """Judge these weights on the validation people, then train from them."""

    kind: Literal["train"] = "train"
    job: JobName
    round: Annotated[int, Field(ge=1, le=10_000)]
    class_weights: dict[ClassName, Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]]


class JudgeTask(_WithArrays):
    """Judge these weights on the validation people."""

    kind: Literal["judge"] = "judge"
    job: JobName
    round: Annotated[int, Field(ge=1, le=10_000)]
    class_weights: dict[ClassName, Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]]


class _Message(_Closed):
    job: JobName
    site: SiteName


class SiteReady(_Message):
    """A site takes part: how many it trains on by class, a digest of who, and the head of its audit log."""

    kind: Literal["ready"] = "ready"
    people: Annotated[dict[ClassName, Count], Field(min_length=2, max_length=20)]
    scans: Annotated[dict[ClassName, Count], Field(min_length=2, max_length=20)]
    manifest_sha256: Digest
    audit_head: Digest | Literal[""]
    minimum_cell: Annotated[int, Field(ge=1, le=1000)]
    simulated: bool

    @model_validator(mode="after")
    def _no_small_class(self) -> SiteReady:
        if set(self.people) != set(self.scans):
            raise ValueError("people and scans are of different classes")
        if any(0 < count < self.minimum_cell for count in [*self.people.values(), *self.scans.values()]):
            raise ValueError("a class has fewer people than the minimum cell")
        return self


class BinnedProbability(_Closed):
    """People of one true class, counted by their predicted probability of one class.

    Parameters
    ----------
    edges : list of int, m + 1
        Bounds in units of 1 / ROC_BINS, from 0 to ROC_BINS, rising.
    counts : list of int, m
        None is smaller than the minimum cell.
    """

    edges: Annotated[list[Annotated[int, Field(ge=0, le=ROC_BINS)]], Field(min_length=2, max_length=ROC_BINS + 1)]
    counts: Annotated[list[Count], Field(min_length=1, max_length=ROC_BINS)]

    @model_validator(mode="after")
    def _is_a_histogram(self) -> BinnedProbability:
        rising = all(low < high for low, high in zip(self.edges, self.edges[1:], strict=False))
        if len(self.edges) != len(self.counts) + 1 or (self.edges[0], self.edges[-1]) != (0, ROC_BINS) or not rising:
            raise ValueError("is no histogram over [0, 1]")
        return self


class CalibrationBin(_Closed):
    """People whose probability of the positive class lies between two edges, in fifths: how many, its mean, how many have the class."""

    edges: Annotated[list[Annotated[int, Field(ge=0, le=CALIBRATION_BINS)]], Field(min_length=2, max_length=2)]
    people: Count
    mean_probability: Annotated[float, Field(ge=0, le=1)]
    positive: Count


class Evaluation(_Closed):
    """What a site tells of its validation people; what a small number would give away is None.

    Parameters
    ----------
    minimum_cell : int
        Applied by the site.
    people : int
        Rounded by the site.
    loss : float
        Mean class-weighted cross-entropy.
    confusion : dict of class to (dict of class to int, or None)
        True class, called class. A row with a small cell is left out whole, so that no sum gives it back. Nobody is a small cell too:
        that all people of a class are called alike says something of each.
    roc : dict of class to BinnedProbability or None
        Of each true class, by the probability of the positive class.
    calibration : list of CalibrationBin, or None
        Of the positive class.
    """

    minimum_cell: Annotated[int, Field(ge=1, le=1000)]
    people: Count
    loss: Finite
    confusion: Annotated[dict[ClassName, dict[ClassName, Count] | None], Field(min_length=2, max_length=20)]
    roc: Annotated[dict[ClassName, BinnedProbability | None], Field(min_length=2, max_length=20)]
    calibration: Annotated[list[CalibrationBin], Field(max_length=CALIBRATION_BINS)] | None

    @model_validator(mode="after")
    def _no_small_cell(self) -> Evaluation:
        cells = [count for row in self.confusion.values() if row for count in row.values()]
        cells += [count for histogram in self.roc.values() if histogram for count in histogram.counts]
        for entry in self.calibration or []:
            cells += [entry.people, entry.positive, entry.people - entry.positive]
        if any(cell < self.minimum_cell for cell in cells):
            raise ValueError("a cell is smaller than the minimum")
        if self.people < self.minimum_cell:
            raise ValueError("fewer people than the minimum cell")
        return self


class ModelUpdate(_Message, _WithArrays):
    """Trained minus given weights, how many people they are from, the mean training loss, and what was thought of the given weights.

    A private training tells no training loss: it would be a figure over the protected people without noise.
    """

    kind: Literal["update"] = "update"
    round: Annotated[int, Field(ge=1, le=10_000)]
    people: Count
    loss: Finite | None
    evaluation: Evaluation | None


class Judgement(_Message):
    """The validation people under the given weights; None where the site may not tell it."""

    kind: Literal["judgement"] = "judgement"
    round: Annotated[int, Field(ge=1, le=10_000)]
    evaluation: Evaluation | None


class Refusal(_Message):
    """The site does not do it, by its rules; or it failed."""

    kind: Literal["refusal"] = "refusal"
    reason: Reason


Task = BeginTask | TrainTask | JudgeTask
Message = SiteReady | ModelUpdate | Judgement | Refusal
TASKS: dict[str, type[Task]] = {"begin": BeginTask, "train": TrainTask, "judge": JudgeTask}
MESSAGES: dict[str, type[Message]] = {"ready": SiteReady, "update": ModelUpdate, "judgement": Judgement, "refusal": Refusal}


def check_outgoing(message: Any, shapes: Shapes | None = None) -> Message:
    """The message, if it is one that may leave a site.

    Parameters
    ----------
    message : Any
    shapes : mapping of str to tuple of int, optional
        Names and shapes of the weights that the coordinator sent; an update must have exactly these. Without it no update leaves.

    Returns
    -------
    Message

    Raises
    ------
    GovernanceError
        It is no message of this file, or what it holds is not what the schema allows.
    """
    kind = type(message)
    if kind not in MESSAGES.values():
        raise GovernanceError(f"{kind.__name__} is not on the list of what may leave a site.")
    try:
        # Once more from its parts: an object that was put together past the schema is found here.
        checked: Message = kind.model_validate({name: getattr(message, name) for name in kind.model_fields})
        if (evaluation := getattr(checked, "evaluation", None)) is not None:
            Evaluation.model_validate(evaluation.model_dump())
    except (ValidationError, AttributeError) as error:
        raise GovernanceError(f"A message of kind {kind.__name__} does not keep to its schema: {_first(error)}.") from None
    if isinstance(checked, ModelUpdate):
        if shapes is None or checked.shapes != dict(shapes):
            raise GovernanceError("An update has other weights than those that were sent to the site.")
        if not all(np.isfinite(array).all() for array in checked.arrays.values()):
            raise GovernanceError("An update holds numbers that are not finite.")
    return checked


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        return f"[{'.'.join(str(part) for part in problem['loc'])}] {problem['msg'].removeprefix('Value error, ')}"
    return str(error)
