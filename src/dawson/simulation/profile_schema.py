"""What `lesion_profiles.toml` may say, and what in it must agree."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_TOLERANCE = 1e-9


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Frequency(_Entry):
    """A share of patients (or of what the key says) and where it comes from.

    Parameters
    ----------
    share : float
        0 to 1.
    n : int, optional
        People it was counted in.
    source : str
        Key of the file's `sources`.
    basis : {"published", "derived", "assumed"}
        Read off the source; computed from it; ours, because nothing was found.
    """

    share: float = Field(ge=0, le=1)
    n: int | None = None
    source: str
    basis: Literal["published", "derived", "assumed"] = "published"


class Finding(Frequency):
    """A finding on the brain scan, and the lesions that make it.

    Parameters
    ----------
    within : str, optional
        The finding that this one is a case of.
    any_of : bool
        Present means that at least one of the findings within is.
    kinds : dict of str to float
        Kinds of lesions that show it, with weights.
    weight : float
        How readily further lesions of a patient who has it are of its kinds.
    more : float
        Mean number of further lesions where counts are its own, as those of a status are.
    relapse, remission : float, optional
        Share of scans in that state; the finding comes and goes with it.
    """

    within: str | None = None
    any_of: bool = False
    kinds: dict[str, float] = {}
    weight: float = 1.0
    more: float = 0.0
    relapse: float | None = None
    remission: float | None = None

    @property
    def follows_status(self) -> bool:
        """Whether it comes and goes with relapse and remission."""
        return self.relapse is not None

    def at(self, status: str) -> float:
        """Share of scans with it in a clinical state."""
        share = self.relapse if status == "relapse" else self.remission
        return self.share if share is None else share


class Count(_Entry):
    """Number of lesions of a patient: a gamma distribution, rounded.

    Parameters
    ----------
    mean, sd : float
        Over all patients of the class; `sd` is that of those who have lesions.
    with_severity : float
        Rank correlation with the patient's latent severity.
    """

    mean: float = Field(ge=0)
    sd: float = Field(gt=0)
    with_severity: float = Field(ge=0, lt=1)
    source: str
    basis: Literal["published", "derived", "assumed"] = "published"


class Look(_Entry):
    """How lesions look.

    Parameters
    ----------
    size, size_sd : float
        Median over patients of the factor on lesion radii, and the standard deviation of its logarithm.
    brightness : float
        Factor on the brightness of lesions on FLAIR.
    black_hole : Frequency
        Share of lesions that are dark on T1w.
    jagged : Frequency
        Share of patients whose periventricular lesions have a jagged border.
    """

    size: float = Field(gt=0)
    size_sd: float = Field(ge=0)
    brightness: float = Field(gt=0, le=1.2)
    black_hole: Frequency
    jagged: Frequency


class Course(_Entry):
    """What happens to lesions in a year.

    Parameters
    ----------
    new : float
        New lesions a year in remission, besides those that follow the clinical state.
    new_in_relapse : float
        More new lesions at a scan in relapse.
    enlarging, shrinking, resolving : float
        Share of a patient's lesions a year.
    """

    new: float = Field(ge=0)
    new_in_relapse: float = Field(ge=0)
    enlarging: float = Field(ge=0, le=1)
    shrinking: float = Field(ge=0, le=1)
    resolving: float = Field(ge=0, le=1)
    source: str


class Shrinkage(_Entry):
    """Atrophy beyond age at the first scan, and a year.

    Parameters
    ----------
    ventricle_mm, third_mm : float
        How far the walls of the lateral and third ventricle lie outwards, mean.
    deep_grey : float
        Volume of deep grey matter relative to a healthy person's, mean.
    sulci : float
        Logarithm of the sulcal fluid's share, mean.
    spread : float
        Standard deviation between patients relative to the mean.
    ventricle_mm_per_year, deep_grey_per_year : float
        Change of the first and (as a share) of the third.
    """

    ventricle_mm: float = 0.0
    third_mm: float = 0.0
    deep_grey: float = Field(1.0, gt=0.5, le=1)
    sulci: float = 0.0
    spread: float = Field(0.4, ge=0)
    ventricle_mm_per_year: float = 0.0
    deep_grey_per_year: float = Field(0.0, le=0)
    source: str


class ClassProfile(_Entry):
    """One diagnosis in one population.

    Parameters
    ----------
    normal : Frequency, optional
        Brains without any lesion.
    findings : dict of str to Finding
    rules : dict of str to Frequency
        Share of patients in whom a published rule says MS, to be met by what is drawn.
    coupling : float
        How much of each finding's chance comes from the patient's latent severity, 0 to 1: findings that go together. It
        changes no finding's frequency.
    lesions : Count
    look : Look
    course : Course
    atrophy : Shrinkage
    filler : str
        Kind of the lesions of a brain that is not normal and has none of the findings, and part of the further ones.
    filler_weight : float
        How readily further lesions are of that kind.
    with_age : float
        Rank correlation of having lesions at all with age.
    """

    normal: Frequency | None = None
    findings: dict[str, Finding]
    rules: dict[str, Frequency] = {}
    coupling: float = Field(0.0, ge=0, lt=1)
    lesions: Count
    look: Look
    course: Course
    atrophy: Shrinkage
    filler: str = "deep_white"
    filler_weight: float = 1.0
    with_age: float = Field(0.0, ge=0, lt=1)

    @property
    def status_finding(self) -> tuple[str, Finding] | None:
        """The finding that comes and goes with the clinical state, if there is one."""
        return next(((name, finding) for name, finding in self.findings.items() if finding.follows_status), None)

    @property
    def plain_share(self) -> float:
        """Share of patients who have lesions that do not follow the clinical state."""
        status = self.status_finding
        return 1.0 - (self.normal.share if self.normal else 0.0) / (1.0 - (status[1].share if status else 0.0))

    def children(self, name: str | None) -> dict[str, Finding]:
        """Findings that are cases of one, or those that are cases of none."""
        return {key: finding for key, finding in self.findings.items() if finding.within == name}

    def ancestry(self, name: str) -> tuple[str, ...]:
        """A finding and all that it is a case of."""
        within = self.findings[name].within
        return (name, *(self.ancestry(within) if within else ()))

    @model_validator(mode="after")
    def _consistent(self) -> ClassProfile:
        if sum(finding.follows_status for finding in self.findings.values()) > 1:
            raise ValueError("more than one finding follows the clinical state")
        for name, finding in self.findings.items():
            if finding.within is not None:
                parent = self.findings.get(finding.within)
                if parent is None:
                    raise ValueError(f"{name} is within {finding.within}, which is not there")
                if finding.share > parent.share + _TOLERANCE:
                    raise ValueError(f"{name} ({finding.share}) is more frequent than {finding.within} ({parent.share})")
            children = self.children(name)
            if finding.any_of and sum(child.share for child in children.values()) < finding.share - _TOLERANCE:
                raise ValueError(f"the findings within {name} add up to less than {name}")
            if not finding.any_of and not finding.kinds:
                raise ValueError(f"no kind of lesion shows {name}")
            if not finding.follows_status and finding.within is None and finding.share > self.plain_share + _TOLERANCE:
                raise ValueError(f"{name} ({finding.share}) is more frequent than brains with lesions ({self.plain_share:.3f})")
        return self


class Profile(_Entry):
    """One population.

    Parameters
    ----------
    name, title : str
    hardness : float, optional
        Where it lies between `uk` (0) and `taiwan` (1), if it was made from them.
    classes : dict of str to ClassProfile
    sources : dict of str to str
    """

    name: str
    title: str
    hardness: float | None = None
    classes: dict[str, ClassProfile]
    sources: dict[str, str]

    @model_validator(mode="after")
    def _sources_known(self) -> Profile:
        for where, source in _named("", self.model_dump(mode="python", exclude={"sources"})):
            if source not in self.sources:
                raise ValueError(f"{where}: the source {source!r} is not listed")
        return self


def _named(where: str, value: Any) -> list[tuple[str, str]]:
    """Every source named in a profile, with where it is named."""
    if not isinstance(value, dict):
        return []
    own = [(where, value["source"])] if isinstance(value.get("source"), str) else []
    return own + [item for key, part in value.items() for item in _named(f"{where}.{key}" if where else str(key), part)]
