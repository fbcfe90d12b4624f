"""Items of a campaign out of a study: its scans, pairs of visits, or lesions of its masks, with what is known of their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dawson.annotation.items import Item, Place, Role
from dawson.annotation.settings import CampaignSettings
from dawson.cohort.dataset import Cohort
from dawson.cohort.scan import Scan
from dawson.errors import CohortError, ConfigError, DawsonError, ImageError
from dawson.files import read_tsv
from dawson.lesions.rater_masks import read_mask
from dawson.lesions.scan_images import find_images, lesion_file, refuse_faces
from dawson.preprocess import names

SURE_SHARE = 0.3
"""Share of a candidate's voxels that are lesion in the known mask, from which on it is surely one; none at all is surely not."""


@dataclass(frozen=True)
class Sources:
    """Where items and known answers come from.

    Parameters
    ----------
    candidates : str
        Maker of the masks whose lesions are asked about, or that drawings begin with; empty to draw from nothing.
    gold_maker : str
        Maker of masks that are true.
    gold_table : Path or None
        Known answers: participant_id, session_id where there are sessions, lesion where lesions are asked about, answer, and perhaps
        explanation.
    """

    candidates: str = ""
    gold_maker: str = ""
    gold_table: Path | None = None


def find_items(
    cohort: Cohort, derivatives: Path, settings: CampaignSettings, sources: Sources, *, gold: int, seed: int
) -> tuple[tuple[Item, ...], dict[str, str]]:
    """All items, of which some with a known answer are set aside for the tutorial and as hidden checks.

    Parameters
    ----------
    cohort : Cohort
        Of people who may be shown.
    derivatives : Path
    settings : CampaignSettings
    sources : Sources
    gold : int
        Items with a known answer that are set aside, those of the tutorial among them.
    seed : int
        Of the choice and of the order.

    Returns
    -------
    tuple of Item
        In random order, so that the number tells nothing.
    dict of str to str
        Scans that cannot be shown, with the reason.

    Raises
    ------
    CohortError
        There is nothing to show, or fewer known answers than `gold`.
    ConfigError
        The task needs candidates, or the table of known answers cannot be read.
    """
    if settings.task.shows == "lesion" and not sources.candidates:
        raise ConfigError(f"{settings.campaign.task} asks about lesions.", "Say with --candidates whose masks they are taken from.")
    known = _known_answers(sources.gold_table) if sources.gold_table else {}
    found: list[Item] = []
    left_out: dict[str, str] = {}
    for scans in cohort.visits(2 if settings.task.shows == "pair" else 1):
        try:
            found += _items_of(scans, cohort.root, derivatives, settings, sources, known)
        except DawsonError as error:
            left_out[scans[-1].entities] = str(error)
    if not found:
        raise CohortError(f"{cohort.root} has nothing to show: {next(iter(left_out.values()), 'no scan')}", "Preprocess the scans first.")
    if settings.task.gold.startswith("column:"):
        found = _by_column(found, cohort, settings)
    return _with_roles(found, settings, gold, np.random.default_rng(seed)), left_out


def _items_of(
    scans: tuple[Scan, ...],
    study: Path,
    derivatives: Path,
    settings: CampaignSettings,
    sources: Sources,
    known: Mapping[tuple[str, str, int], tuple[str, str]],
) -> list[Item]:
    last = scans[-1]
    shown = [_shown(scan, study, derivatives, settings.contrasts) for scan in scans]
    item = Item(0, "item", last.participant_id, last.session_id, shown[-1], shown[0] if len(shown) > 1 else ())
    if settings.task.shows == "lesion":
        return [_answered(one, known) for one in _lesions(item, last, study, derivatives, sources)]
    if settings.task.kind == "mask":
        own = {name: last.derivative(derivatives, lesion_file(maker, "mask")) for name, maker in _makers(sources).items()}
        if "candidates" in own and not own["candidates"].is_file():
            raise CohortError(f"{last.entities} has no mask by {sources.candidates} to begin with.", "Segment it, or draw from nothing.")
        gold = own.get("gold")
        return [
            replace(
                item,
                mask=_relative(own["candidates"], study) if "candidates" in own else "",
                gold=_relative(gold, study) if gold and gold.is_file() else "",
            )
        ]
    if settings.task.shows == "pair" and sources.gold_maker:
        item = replace(item, gold=_new_lesion(scans, derivatives, sources.gold_maker))
    return [_answered(item, known)]


def _makers(sources: Sources) -> dict[str, str]:
    return {name: maker for name, maker in (("candidates", sources.candidates), ("gold", sources.gold_maker)) if maker}


def _shown(scan: Scan, study: Path, derivatives: Path, contrasts: Sequence[str]) -> tuple[str, ...]:
    images = find_images(scan, derivatives)
    refuse_faces(scan, images, derivatives)
    paths = {"FLAIR": images.flair, "T1w": images.t1w}
    shown = []
    for contrast in contrasts:
        path = paths.get(contrast) or scan.derivative(derivatives, names.preprocessed(contrast))
        if path.is_file():
            shown.append(_relative(path, study))
    if not shown:
        raise CohortError(f"{scan.entities} has none of {', '.join(contrasts)} in template space.", "Preprocess it first.")
    return tuple(shown)


def _relative(path: Path, study: Path) -> str:
    try:
        return path.resolve().relative_to(study.resolve()).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _lesions(item: Item, scan: Scan, study: Path, derivatives: Path, sources: Sources) -> list[Item]:
    from dawson.imaging.lesion_instances import lesion_instances, lesions_of

    path = scan.derivative(derivatives, lesion_file(sources.candidates, "mask"))
    if not path.is_file():
        raise CohortError(f"{scan.entities} has no lesion mask by {sources.candidates}.", "Segment the lesions first.")
    mask, affine = read_mask(path)
    truth: NDArray[np.bool_] | None = None
    if sources.gold_maker and (true := scan.derivative(derivatives, lesion_file(sources.gold_maker, "mask"))).is_file():
        truth, other = read_mask(true)
        if truth.shape != mask.shape or not np.allclose(affine, other, atol=1e-3):
            raise ImageError(true, f"is on another grid than {path.name}.", "Bring both masks to one grid.")
    found = []
    for number, voxels in lesions_of(lesion_instances(mask)):
        gold = ""
        if truth is not None:
            share = float(truth[tuple(voxels.T)].mean())
            gold = "accept" if share >= SURE_SHARE else "reject" if share == 0 else ""
        found.append(replace(item, place=_middle(voxels, affine), mask=_relative(path, study), lesion=int(number), gold=gold))
    return found


def _middle(voxels: NDArray[np.intp], affine: NDArray[np.float64]) -> Place:
    """World coordinates of the lesion's own voxel that is nearest to its centre of mass."""
    nearest = voxels[int(((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1).argmin())]
    x, y, z = (float(value) for value in (affine @ [*nearest, 1.0])[:3].round(2))
    return x, y, z


def _new_lesion(scans: tuple[Scan, ...], derivatives: Path, maker: str) -> str:
    """Whether the later visit has a lesion of a number that the earlier one lacks; empty where lesions are not numbered."""
    import nibabel as nib

    paths = [scan.derivative(derivatives, lesion_file(maker, "dseg")) for scan in scans]
    # only the simulator's lesions keep their numbers from one session to the next
    if maker != "sim" or not all(path.is_file() for path in paths):
        return ""
    before, after = (set(np.unique(np.asarray(nib.load(path).dataobj))) for path in paths)  # type: ignore[attr-defined]
    return "yes" if after - before - {0} else "no"


def _known_answers(path: Path) -> dict[tuple[str, str, int], tuple[str, str]]:
    if not path.is_file():
        raise ConfigError(f"{path} does not exist.", "Give a table of known answers.")
    table = read_tsv(path, text=("participant_id", "session_id", "answer", "explanation"))
    if missing := {"participant_id", "answer"} - set(table.columns):
        raise ConfigError(f"{path} has no column {', '.join(sorted(missing))}.", "It needs participant_id and answer.")
    answers = {}
    for row in table.to_dict("records"):
        session, why = (value if isinstance(value, str) else "" for value in (row.get("session_id"), row.get("explanation")))
        if isinstance(row["answer"], str):
            answers[str(row["participant_id"]), session, int(row.get("lesion") or 0)] = row["answer"], why
    return answers


def _answered(item: Item, known: Mapping[tuple[str, str, int], tuple[str, str]]) -> Item:
    answer, why = known.get((item.participant_id, item.session_id, item.lesion), (item.gold, item.explanation))
    return replace(item, gold=answer, explanation=why)


def _by_column(items: Sequence[Item], cohort: Cohort, settings: CampaignSettings) -> list[Item]:
    column, keys = settings.task.gold.removeprefix("column:"), set(settings.classes)
    if column not in cohort.participants.columns:
        return list(items)
    said = cohort.participants.set_index("participant_id")[column].astype(str)
    return [replace(one, gold=one.gold or (said[one.participant_id] if said[one.participant_id] in keys else "")) for one in items]


def _with_roles(items: Sequence[Item], settings: CampaignSettings, gold: int, rng: np.random.Generator) -> tuple[Item, ...]:
    """Set checks aside, as many of each known answer as can be; everybody else is an item, whose answer is not used."""
    tutorial = settings.learning.tutorial_items
    wanted = max(gold, tutorial)
    known = [place for place in rng.permutation(len(items)) if items[place].gold]
    if wanted > len(known):
        raise CohortError(
            f"{wanted} items with a known answer are to be set aside, and {len(known)} have one.",
            "Give a table with --gold, a maker with --gold-maker, or ask for fewer with --checks.",
        )
    by_answer: dict[str, list[int]] = {}
    for place in known:
        by_answer.setdefault(items[place].gold if settings.task.kind == "choice" else "", []).append(int(place))
    chosen: list[int] = []
    while len(chosen) < wanted:
        for places in by_answer.values():
            if places and len(chosen) < wanted:
                chosen.append(places.pop())
    role: dict[int, Role] = {place: "tutorial" if at < tutorial else "gold" for at, place in enumerate(chosen)}
    # the known answer of what is to be rated is forgotten: nothing of the campaign may rest on it
    kept = [replace(one, role=role.get(place, "item"), gold=one.gold if place in role else "") for place, one in enumerate(items)]
    return tuple(replace(kept[place], number=at) for at, place in enumerate(rng.permutation(len(kept)), start=1))
