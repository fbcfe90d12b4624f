"""The study file, `study.toml`: every setting with its type and its default, the seed paper's value wherever it gives one."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dawson.errors import ConfigError

STUDY_FILE = "study.toml"
REGISTRATION_MM = (1, 2, 3, 4)

Validated = TypeVar("Validated", bound=BaseModel)


class Section(BaseModel):
    """A table of the study file: unknown names are errors, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StudySection(Section):
    """What is compared."""

    name: str = "study"
    classes: Annotated[tuple[str, ...], Field(min_length=2)] = ("MS", "NMOSD")
    positive: str = "NMOSD"
    diagnosis_column: str = "diagnosis"
    site_column: str = "site"
    where: str = ""
    soft_labels: bool = False
    soft_label_prefix: str = "probability_"

    @model_validator(mode="after")
    def _positive_is_a_class(self) -> StudySection:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes has a name twice: {', '.join(self.classes)}")
        if self.positive not in self.classes:
            raise ValueError(f"positive = {self.positive!r} is not one of classes = {list(self.classes)}")
        return self


class GovernanceSection(Section):
    """Whether consent is managed by Dawson, and for what this study uses its people's data."""

    managed: bool = False
    purpose: str = "disease-research"
    diseases: tuple[str, ...] = ("MS", "NMOSD")
    commercial: bool = False
    country: str = ""


class PreprocessSection(Section):
    """From raw scan to channel image."""

    brain_extractor: str = "deepbet"
    registration: str = "greedy"
    registration_mm: float = 2.0
    slices_mm: Annotated[tuple[float, ...], Field(min_length=1)] = (60.0, 40.0, 20.0, 0.0, -20.0)
    field_of_view_mm: Annotated[float, Field(gt=0)] = 192.0
    matrix: Annotated[int, Field(ge=32)] = 128

    @field_validator("registration_mm")
    @classmethod
    def _whole_millimetres(cls, value: float) -> float:
        # told when the study file is read: otherwise every scan fails, and only after its brain was extracted
        if value not in REGISTRATION_MM:
            raise ValueError(f"registration_mm = {value:g} must be 1, 2, 3 or 4: the template comes in whole millimetres")
        return value


class QualitySection(Section):
    """Which scans are good enough, by the decision of `dawson quality run` or a person's verdict."""

    exclude: tuple[Literal["reject", "review"], ...] = ("reject",)
    review_z: Annotated[float, Field(gt=0)] = 3.5
    reject_z: Annotated[float, Field(gt=0)] = 7.0
    minimum_group: Annotated[int, Field(ge=3)] = 8


class SplitSection(Section):
    """Who trains, validates and is tested."""

    scheme: Literal["held-out-draw", "nested-k-fold", "leave-one-site-out", "external"] = "held-out-draw"
    repeats: Annotated[int, Field(ge=1)] = 100
    folds: Annotated[int, Field(ge=2)] = 5
    test_per_class: Annotated[int, Field(ge=1)] = 15
    external_where: str = ""
    seed: int = 0


class TrainingSection(Section):
    """How one network is trained."""

    network: str = "resnet18"
    epochs: Annotated[int, Field(ge=1)] = 25
    batch_size: Annotated[int, Field(ge=2)] = 10
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    class_weights: bool = True
    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    noise_sd: tuple[float, float] = (0.0, 0.25)
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


class EvaluationSection(Section):
    """How the predictions are judged."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    bootstraps: Annotated[int, Field(ge=100)] = 2000
    prevalence: Annotated[float, Field(gt=0, lt=1)] | None = None
    abstain_alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    calibration_bins: Annotated[int, Field(ge=2, le=20)] = 5
    subgroups: tuple[str, ...] = ()


class ComparatorsSection(Section):
    """What the network is compared with on the same splits."""

    enabled: tuple[str, ...] = ("demographics", "lesion-features", "matthews", "cacciaguerra", "fusion")
    masks: tuple[str, ...] = ("expert", "consensus", "dawson", "sim")
    clinical: tuple[str, ...] = ()


class HarmonisationSection(Section):
    """What is done about differences between scanners; whatever it learns, it learns from the training people of a fold."""

    intensity: Literal["none", "nyul", "whitestripe"] = "none"
    features: Literal["none", "combat"] = "none"
    covariates: tuple[str, ...] = ("age", "sex")
    reference_site: str = ""
    unseen: Literal["refuse", "estimate"] = "refuse"


class StudyConfig(Section):
    """The whole study file."""

    study: StudySection = StudySection()
    governance: GovernanceSection = GovernanceSection()
    preprocess: PreprocessSection = PreprocessSection()
    quality: QualitySection = QualitySection()
    split: SplitSection = SplitSection()
    training: TrainingSection = TrainingSection()
    evaluation: EvaluationSection = EvaluationSection()
    comparators: ComparatorsSection = ComparatorsSection()
    harmonisation: HarmonisationSection = HarmonisationSection()

    @model_validator(mode="after")
    def _covariates_are_known_of_new_people(self) -> StudyConfig:
        for column, what in ((self.study.diagnosis_column, "the diagnosis"), (self.study.site_column, "the site")):
            if column in self.harmonisation.covariates:
                raise ValueError(
                    f"harmonisation.covariates names {column!r}, {what}: harmonising with the diagnosis would hand every test patient's "
                    "label to the classifier, and the site is what is taken away"
                )
        return self

    def updated(self, **sections: dict[str, Any]) -> StudyConfig:
        """A copy with some values replaced; a value of None leaves the old one.

        Examples
        --------
        >>> StudyConfig().updated(split={"repeats": 2, "folds": None}).split.repeats
        2
        """
        content = self.model_dump()
        for section, values in sections.items():
            content[section].update({name: value for name, value in values.items() if value is not None})
        return parse_config(content, "the command line")


def parse_config(content: dict[str, Any], origin: str) -> StudyConfig:
    """Check the content of a study file.

    Raises
    ------
    ConfigError
        Naming each setting that is wrong and why.
    """
    return validated(StudyConfig, content, origin, "Correct the setting; docs/reference/study-file lists them all.")


def validated(model: type[Validated], content: dict[str, Any], origin: str, fix: str) -> Validated:
    """Content as a model of settings.

    Raises
    ------
    ConfigError
        Naming each setting that is wrong and why.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"[{'.'.join(str(part) for part in item['loc'])}] {item['msg'].removeprefix('Value error, ')}" for item in error.errors()
        )
        raise ConfigError(f"{origin}: {problems}.", fix) from None


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file that is there.

    Raises
    ------
    ConfigError
        It is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None


def read_config(path: Path) -> StudyConfig:
    """Read a study file; where there is none, every default holds.

    Raises
    ------
    ConfigError
        The file is not TOML, or a setting is wrong.
    """
    if not path.exists():
        return StudyConfig()
    return parse_config(read_toml(path), str(path))


def dump_config(config: StudyConfig) -> str:
    """The study file as TOML text, every setting written out."""
    lines = ["# A Dawson study. Every setting stands here; docs/reference/study-file explains them.", ""]
    for section, values in config.model_dump().items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {_toml(value)}" for name, value in values.items() if value is not None]
        lines.append("")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)


def toml_table(name: str, values: Mapping[str, Any], many: bool = False) -> str:
    """A table of TOML, or one of an array of tables; values as JSON has them, without null.

    Examples
    --------
    >>> print(toml_table("end", {"minimum": 3, "names": ["a"]}), end="")
    [end]
    minimum = 3
    names = ["a"]
    """
    # JSON texts, numbers, booleans and lists are TOML too
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "\n".join([f"[[{name}]]" if many else f"[{name}]", *lines, ""])
