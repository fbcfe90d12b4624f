"""The rule file: which series is taken as T1w, FLAIR or T2w, which is rejected, and which waits for a person."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from dawson.errors import IntakeError
from dawson.intake.series import Series

SHIPPED = Path(__file__).with_name("intake.toml")
STUDY_RULES = Path("code", "intake.toml")
CONTRASTS = ("T1w", "FLAIR", "T2w")
CONTRAST_AGENT = "ce-gadolinium"
_LARGEST_SHOWN = 60_001.0
_CODE = re.compile(r"^[SW]-[0-9A-HJKMNP-TV-Z]{8}$")
_TARGET = re.compile(r"^(T1w|FLAIR|T2w)(_ce-gadolinium)?$|^(reject|hold)$")

Decision = Literal["take", "hold", "reject"]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression ({error})") from None
    return text


def _ordered(values: tuple[float, float]) -> tuple[float, float]:
    if values[0] > values[1]:
        raise ValueError(f"{list(values)}: the least stands before the most")
    return values


def _target(text: str) -> str:
    if not _TARGET.match(text):
        raise ValueError(f"{text!r} is none of T1w, FLAIR, T2w (each with or without _{CONTRAST_AGENT}), reject, hold")
    return text


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Target = Annotated[str, AfterValidator(_target)]
Words = tuple[str, ...]


class Rule(BaseModel):
    """One rule of the file; `intake.toml` explains every condition."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    becomes: Target
    why: str = ""
    tr_ms: Range | None = None
    te_ms: Range | None = None
    ti_ms: Range | None = None
    flip_deg: Range | None = None
    field_tesla: Range | None = None
    slices: Range | None = None
    coverage_mm: Range | None = None
    thickness_mm: Range | None = None
    largest_voxel_mm: Range | None = None
    smallest_voxel_mm: Range | None = None
    no_ti: bool = False
    acquisition: Literal["2D", "3D"] | None = None
    plane: Words = ()
    scanning: Words = ()
    not_scanning: Words = ()
    variant: Words = ()
    not_variant: Words = ()
    image_type: Words = ()
    not_image_type: Words = ()
    component: Words = ()
    contrast_agent: bool | None = None
    describes: Pattern = ""
    says: Pattern = ""
    not_says: Pattern = ""

    @property
    def conditions(self) -> int:
        """How many conditions it has."""
        return len(self.model_fields_set - {"name", "becomes", "why"})


class RuleFile(BaseModel):
    """All of `intake.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    contrast_words: Pattern = ""
    no_contrast_words: Pattern = ""
    take: dict[str, Target] = {}
    rule: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Sorted:
    """What becomes of a series.

    Parameters
    ----------
    decision : {"take", "hold", "reject"}
    contrast : str
        T1w, FLAIR or T2w; empty unless taken.
    entities : str
        `ce-gadolinium` or empty.
    rule : str
        Names of the rules that decided, or "a person".
    reason : str
        A sentence's end; names nobody.
    suggestions : tuple of str
        For a series that is held: what it looks like, and what speaks for it.
    """

    decision: Decision
    contrast: str = ""
    entities: str = ""
    rule: str = ""
    reason: str = ""
    suggestions: tuple[str, ...] = ()


def read_rules(path: Path | None = None, take: Mapping[str, str] | None = None) -> RuleFile:
    """Read a rule file.

    Parameters
    ----------
    path : Path, optional
        By default the one that Dawson ships.
    take : mapping of str to str, optional
        Further lines for [take].

    Raises
    ------
    IntakeError
        It is missing, no TOML, or a rule cannot be used.
    """
    path = path or SHIPPED
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise IntakeError(f"The rule file {path} does not exist.", "Give another with --rules, or leave the option out.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise IntakeError(f"{path} is no TOML file: {error}.", "Put regular expressions between single quotes.") from None
    lines = {**content.get("take", {}), **(take or {})} if isinstance(content.get("take", {}), dict) else content["take"]
    try:
        rules = RuleFile.model_validate({**content, "take": lines})
    except ValidationError as error:
        raise IntakeError(f"{path}: {'; '.join(_problem(item, content) for item in error.errors())}.", "Correct the rule file.") from None
    for code in rules.take:
        if not _CODE.match(code):
            raise IntakeError(f"[take] {code!r} is no code of a series or description.", "Take it from --dry-run, such as S-0123ABCD.")
    names = [rule.name for rule in rules.rule]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise IntakeError(f"{path} has two rules of the name {twice[0]!r}.", "Rename one of them.")
    if empty := [rule.name for rule in rules.rule if not rule.conditions]:
        raise IntakeError(f"{path}: the rule {empty[0]!r} has no condition and would claim every series.", "Give it one.")
    return rules


def _problem(item: Any, content: dict[str, Any]) -> str:
    place = list(item["loc"])
    if len(place) > 1 and place[0] == "rule" and isinstance(place[1], int):
        named = content["rule"][place[1]]
        place[:2] = [f"rule {named.get('name', place[1] + 1)!r}" if isinstance(named, dict) else f"rule {place[1] + 1}"]
    return f"[{', '.join(map(str, place))}] {item['msg'].removeprefix('Value error, ')}"


def sort_series(series: Series, rules: RuleFile, codes: tuple[str, str]) -> Sorted:
    """Decide about one series by the rules.

    Parameters
    ----------
    series : Series
    rules : RuleFile
    codes : (str, str)
        Of the series, and of its description: what lines under [take] name.
    """
    agent, dispute = contrast_agent(series, rules)
    if codes[0] in rules.take:
        return _by_person(rules.take[codes[0]], codes[0])
    claims = [rule for rule in rules.rule if not failing(rule, series, agent)]
    if codes[1] in rules.take and not any(rule.becomes == "reject" for rule in claims):
        return _by_description(series, rules.take[codes[1]], codes[1])
    for becomes, decision in (("reject", "reject"), ("hold", "hold")):
        if claimed := [rule for rule in claims if rule.becomes == becomes]:
            reason = claimed[0].why or f"the rule {claimed[0].name!r} says so"
            hints = suggestions(series, rules, agent) if decision == "hold" else ()
            return Sorted(decision, rule=claimed[0].name, reason=reason, suggestions=hints)  # type: ignore[arg-type]
    targets = sorted({_with_agent(rule.becomes, agent) for rule in claims})
    if len(targets) == 1 and dispute:
        return Sorted("hold", rule="; ".join(rule.name for rule in claims), reason=dispute, suggestions=(targets[0],))
    if len(targets) == 1:
        contrast, _, entities = targets[0].partition("_")
        return Sorted("take", contrast, entities, "; ".join(rule.name for rule in claims), "")
    reason = f"the rules disagree ({', '.join(rule.name for rule in claims)})" if targets else "no rule claims it"
    return Sorted("hold", rule="; ".join(rule.name for rule in claims), reason=reason, suggestions=suggestions(series, rules, agent))


def _by_person(target: str, code: str) -> Sorted:
    if target in ("reject", "hold"):
        return Sorted(target, rule="a person", reason=f"a person says so ({code})")  # type: ignore[arg-type]
    contrast, _, entities = target.partition("_")
    return Sorted("take", contrast, entities, "a person", f"a person says so ({code})")


def _by_description(series: Series, target: str, code: str) -> Sorted:
    """A line for many series says what they are called, not what their headers are: those that it does not fit wait."""
    header = series.header
    if target not in ("reject", "hold") and header.component != "magnitude":
        return Sorted("hold", rule="a person", reason=f"a person takes this description ({code}), but it is the {header.component}")
    if target not in ("reject", "hold") and header.contrast_agent and "_" not in target:
        reason = f"a person takes this description without a contrast agent ({code}), but the header names one"
        return Sorted("hold", rule="a person", reason=reason)
    return _by_person(target, code)


def _with_agent(target: str, agent: bool) -> str:
    return f"{target}_{CONTRAST_AGENT}" if agent and "_" not in target else target


def contrast_agent(series: Series, rules: RuleFile) -> tuple[bool, str]:
    """Whether there is a contrast agent, by the header and its words, and how they contradict each other (empty where not)."""
    header, text = series.header, _said(series)
    denied = bool(rules.no_contrast_words and re.search(rules.no_contrast_words, text, re.IGNORECASE))
    # "without contrast" speaks of contrast too: what denies it is taken out first
    rest = re.sub(rules.no_contrast_words, " ", text, flags=re.IGNORECASE) if denied else text
    named = bool(rules.contrast_words and re.search(rules.contrast_words, rest, re.IGNORECASE))
    dispute = ""
    if denied and named:
        dispute = "the description names a contrast agent and denies it"
    elif denied and header.contrast_agent:
        dispute = "the header names a contrast agent, and the description denies it"
    elif named and header.agent_denied and not header.contrast_agent:
        dispute = "the description names a contrast agent, and the header denies it"
    return header.contrast_agent or named, dispute


def suggestions(series: Series, rules: RuleFile, agent: bool) -> tuple[str, ...]:
    """What a series looks like: the taking rules of which all but one or two conditions hold, nearest first.

    No text of the header stands in them, only numbers and words of the DICOM standard.
    """
    near: dict[str, tuple[int, str]] = {}
    for rule in rules.rule:
        if rule.becomes in ("reject", "hold"):
            continue
        missed = failing(rule, series, agent)
        if len(missed) <= 2 and len(missed) < rule.conditions:
            target = _with_agent(rule.becomes, agent)
            text = f"{target}: but {', '.join(missed)}" if missed else f"{target}: all conditions of {rule.name!r} hold"
            near[target] = min(near.get(target, (99, "")), (len(missed), text))
    return tuple(text for _, text in sorted(near.values()))


def failing(rule: Rule, series: Series, agent: bool) -> list[str]:
    """Conditions of a rule that a series does not fulfil, as words; empty where the rule claims it."""
    header, missed = series.header, []
    sizes = series.voxel_mm
    for name, value in (
        ("tr_ms", header.tr_ms),
        ("te_ms", header.te_ms),
        ("ti_ms", header.ti_ms),
        ("flip_deg", header.flip_deg),
        ("field_tesla", header.field_tesla),
        ("slices", float(series.slices)),
        ("coverage_mm", series.coverage_mm if sizes else None),
        ("thickness_mm", header.thickness_mm),
        ("largest_voxel_mm", max(sizes) if sizes else None),
        ("smallest_voxel_mm", min(sizes) if sizes else None),
    ):
        limits: tuple[float, float] | None = getattr(rule, name)
        if limits and (value is None or not limits[0] <= value <= limits[1]):
            missed.append(f"{name} is {_shown(value)}")
    if rule.no_ti and header.ti_ms:
        missed.append(f"ti_ms is {header.ti_ms:g}")
    if rule.acquisition and header.acquisition != rule.acquisition:
        missed.append("the acquisition is not " + rule.acquisition)
    if rule.plane and series.plane not in rule.plane:
        missed.append("the plane is another")
    if rule.component and header.component not in rule.component:
        missed.append("it is the " + header.component)
    for name, values in (("scanning", header.scanning_sequence), ("variant", header.sequence_variant)):
        there = {value.upper() for value in values}
        wanted, unwanted = getattr(rule, name), getattr(rule, f"not_{name}")
        missed += [f"{name} lacks {word}" for word in wanted if word.upper() not in there]
        missed += [f"{name} has {word}" for word in unwanted if word.upper() in there]
    types = {value.upper() for value in header.image_type}
    if rule.image_type and not types & {word.upper() for word in rule.image_type}:
        missed.append("the image type is another")
    if types & {word.upper() for word in rule.not_image_type}:
        missed.append("the image type is excluded")
    if rule.contrast_agent is not None and rule.contrast_agent != agent:
        missed.append("there is a contrast agent" if agent else "there is no contrast agent")
    text = _said(series)
    if rule.describes and not re.search(rule.describes, header.description.replace("_", " "), re.IGNORECASE):
        missed.append("the series description lacks the rule's words")
    if rule.says and not re.search(rule.says, text, re.IGNORECASE):
        missed.append("the description lacks the rule's words")
    if rule.not_says and re.search(rule.not_says, text, re.IGNORECASE):
        missed.append("the description has words that the rule excludes")
    return missed


def _shown(value: float | None) -> str:
    """A number of the header, where it is none that could stand for something else, such as a date."""
    if value is None:
        return "missing"
    return f"{value:g}" if abs(value) < _LARGEST_SHOWN else "implausible"


def _said(series: Series) -> str:
    """Description, protocol and sequence name, one a line; underscores separate words."""
    header = series.header
    return "\n".join(text.replace("_", " ") for text in (header.description, header.protocol, header.sequence_name))
