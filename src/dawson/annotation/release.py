"""Labels of a campaign as a BIDS derivative of the study, one folder a version, that training and consensus take as they are."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from dawson.annotation.build import campaign_folder
from dawson.annotation.campaigns import settings_of, shown_item
from dawson.annotation.drawings import DRAWINGS
from dawson.annotation.items import Item
from dawson.annotation.results import agreement, labels_table, raters_table, ratings_table
from dawson.annotation.settings import CampaignSettings
from dawson.cohort.bids import write_dataset_description
from dawson.cohort.checksums import write_checksums
from dawson.cohort.consent import governance_of
from dawson.cohort.dataset import Cohort, read_cohort
from dawson.cohort.scan import Scan
from dawson.config import GovernanceSection
from dawson.errors import AnnotationError
from dawson.files import atomic_path, write_json, write_sidecar, write_tsv
from dawson.governance.gate import rule, use_of
from dawson.lesions.consensus import consensus_of_study
from dawson.lesions.scan_images import lesion_file
from dawson.storage.models import Campaign, CampaignItem

if TYPE_CHECKING:
    import pandas as pd

LABELS, RATINGS, RATERS, AGREEMENT = "labels.tsv", "ratings.tsv", "raters.tsv", "agreement.json"
_VERSION = re.compile(r"-v(\d+)$")
_DICTIONARY = {
    "item": "Number of the item within the campaign.",
    "lesion": "Number of the lesion in the mask that was asked about.",
    "label": "The most probable answer.",
    "ratings": "Answers that the item got, checks and repeats not counted.",
    "state": "open: needs more ratings; done; expert: waits for an expert.",
    "adjudicated": "Whether an expert had the last word.",
    "x": "World coordinate of the lesion, mm.",
    "y": "World coordinate of the lesion, mm.",
    "z": "World coordinate of the lesion, mm.",
}


@dataclass(frozen=True)
class Release:
    """What was written.

    Parameters
    ----------
    folder : Path
    version : int
    items, people : int
        With a label, and to whom they belong.
    left_out : int
        Items of people who may not be used any more.
    """

    folder: Path
    version: int
    items: int
    people: int
    left_out: int


def releases_of(study: Path, name: str) -> list[Path]:
    """The releases of a campaign, the oldest first."""
    found = [path for path in (study / "derivatives").glob(f"{name}-v*") if path.is_dir() and _VERSION.search(path.name)]
    return sorted(found, key=_version)


def release_labels(session: Session, study: Path, campaign: Campaign, allowed: Sequence[str], now: datetime) -> Release:
    """Write the next version of a campaign's labels into `derivatives/NAME-vN`.

    Labels, every rating by pseudonym, raters with their skill, agreement; for lesions a mask and a probability map of each scan; for
    drawings every rater's mask and their STAPLE consensus.

    Parameters
    ----------
    session : Session
    study : Path
    campaign : Campaign
    allowed : sequence of str
        People who may be used now; items of others are left out.
    now : datetime

    Raises
    ------
    AnnotationError
        Nothing has been rated.
    """
    from dawson import __version__

    settings = settings_of(campaign)
    earlier = releases_of(study, campaign.name)
    version = 1 + (_version(earlier[-1]) if earlier else 0)
    folder = study / "derivatives" / f"{campaign.name}-v{version}"
    labels = labels_table(session, campaign) if settings.classes else _drawn(session, study, campaign)
    kept = labels[labels["participant_id"].isin(list(allowed))]
    told = kept[kept["label"].notna()] if settings.classes else kept[kept["ratings"] > 0]
    if told.empty:
        raise AnnotationError(f"{campaign.name} has no label yet.", "Wait for ratings.")
    left_out = len(labels) - len(kept)
    ratings = ratings_table(session, campaign)
    staging = folder.with_name(f".{folder.name}")
    shutil.rmtree(staging, ignore_errors=True)
    write_tsv(staging / LABELS, kept)
    write_json(staging / "labels.json", {name: {"Description": text} for name, text in _described(settings).items() if name in kept})
    write_tsv(staging / RATINGS, ratings[~ratings["item"].isin(labels.loc[~labels.index.isin(kept.index), "item"])])
    write_tsv(staging / RATERS, raters_table(session, campaign))
    write_json(staging / AGREEMENT, agreement(session, campaign))
    cohort = read_cohort(study)
    if settings.task.kind == "mask":
        _write_drawings(staging, study, campaign, cohort, list(told["participant_id"].unique()))
    elif settings.task.name == "lesion-accept":
        _write_lesions(staging, study, told, _items(session, campaign), cohort, simulated=settings.campaign.simulated)
    elif settings.task.name == "diagnosis":
        write_tsv(staging / "soft-labels.tsv", _soft_labels(told, settings))
    more: dict[str, Any] = {"SimulatedData": True} if settings.campaign.simulated else {}
    write_dataset_description(
        staging, f"{settings.campaign.title}, version {version}", "dawson annotate", "derivative",
        License=settings.campaign.licence, DatasetVersion=str(version), Campaign=campaign.settings, ReleasedAt=now.isoformat(),
        DawsonVersion=__version__, **more,
    )  # fmt: skip
    write_checksums(staging)
    staging.rename(folder)
    return Release(folder, version, len(told), int(told["participant_id"].nunique()), left_out)


def people_of(session: Session, campaign: Campaign) -> list[str]:
    """Everybody whom a campaign shows."""
    return sorted({item.participant_id for item in _items(session, campaign).values()})


def allowed_people(session: Session, study: Path, campaign: Campaign, section: GovernanceSection) -> tuple[str, ...]:
    """Whom of a campaign a release may hold at this moment; where consent is managed, the question is logged."""
    governance = governance_of(study, section)
    use = use_of(governance, "annotate", public=settings_of(campaign).campaign.public)
    return rule(study, people_of(session, campaign), use, managed=governance.managed).allowed


def _described(settings: CampaignSettings) -> dict[str, str]:
    text = "Probability of this answer, of raters weighted by their skill (one-coin Dawid-Skene, known answers clamped)."
    return {**_DICTIONARY, **{f"probability_{key}": text for key in settings.classes}}


def _version(folder: Path) -> int:
    found = _VERSION.search(folder.name)
    return int(found.group(1)) if found else 0


def _items(session: Session, campaign: Campaign) -> dict[int, Item]:
    rows = session.scalars(select(CampaignItem).where(CampaignItem.campaign_id == campaign.id))
    return {row.number: shown_item(row) for row in rows}


def _drawn(session: Session, study: Path, campaign: Campaign) -> pd.DataFrame:
    import pandas as pd

    rows = session.scalars(select(CampaignItem).where(CampaignItem.campaign_id == campaign.id, CampaignItem.role == "item"))
    return pd.DataFrame(
        [
            {
                "item": row.number, "participant_id": shown_item(row).participant_id, "session_id": shown_item(row).session_id or None,
                "ratings": row.n_ratings, "state": row.state, "adjudicated": bool(row.adjudicated),
            }
            for row in rows
        ]
    )  # fmt: skip


def _write_drawings(staging: Path, study: Path, campaign: Campaign, cohort: Cohort, people: Sequence[str]) -> None:
    drawings = campaign_folder(study, campaign.name) / DRAWINGS
    for person in people:
        if (drawings / person).is_dir():
            shutil.copytree(drawings / person, staging / person)
    scans = [scan for scan in cohort.scans if any((staging / scan.folder).glob("*_mask.nii.gz"))]
    if scans:
        consensus_of_study(scans, [staging], staging)


def _write_lesions(staging: Path, study: Path, told: pd.DataFrame, items: Mapping[int, Item], cohort: Cohort, *, simulated: bool) -> None:
    """Of each scan a map that has, in each lesion that was asked about, its probability; and the mask of those above one half."""
    import nibabel as nib

    from dawson.imaging.lesion_instances import lesion_instances

    scans: dict[tuple[str, str], Scan] = {(scan.participant_id, scan.session_id): scan for scan in cohort.scans}
    by_scan: dict[tuple[str, str], list[tuple[Item, float]]] = {}
    for row in told.to_dict("records"):
        item = items[int(row["item"])]
        by_scan.setdefault((item.participant_id, item.session_id), []).append((item, float(row["probability_accept"])))
    more: dict[str, Any] = {"SimulatedData": True} if simulated else {}
    for key, rated in by_scan.items():
        image: Any = nib.load(study / rated[0][0].mask)
        numbers = lesion_instances(np.asarray(image.dataobj) > 0.5)
        probability = np.zeros(numbers.shape, np.float32)
        for item, value in rated:
            probability[numbers == item.lesion] = value
        for kind, values in (("probseg", probability), ("mask", (probability > 0.5).astype(np.uint8))):
            path = scans[key].derivative(staging, lesion_file("consensus", kind))
            with atomic_path(path) as temporary:
                nib.save(nib.Nifti1Image(values, image.affine), temporary)
            write_sidecar(path, {}, {"lesions_rated": len(rated)}, Type="Lesion", Manual=True, **more)


def _soft_labels(told: pd.DataFrame, settings: CampaignSettings) -> pd.DataFrame:
    """Mean probability of each class of each person, in the columns that a study with soft labels reads in participants.tsv."""
    names = [f"probability_{key}" for key in settings.classes]
    return told.groupby("participant_id")[names].mean().reset_index()
