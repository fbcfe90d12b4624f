"""Which channel images a study can use, and why it leaves the others out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dawson.classification.contents import CONTRASTS, scan_contents
from dawson.classification.soft_targets import with_targets
from dawson.cohort.consent import permitted
from dawson.cohort.leakage import guard
from dawson.cohort.soft_labels import labelled, read_soft_labels
from dawson.errors import CohortError, ConfigError, ImageError
from dawson.files import sha256
from dawson.quality.decisions import excluded

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from dawson.cohort.dataset import Cohort
    from dawson.config import QualitySection, StudyConfig
    from dawson.governance.gate import Action

CHANNELS_NAME = "desc-channels_FLAIR.npy"
CONTENT_COLUMNS = ("hash", *CONTRASTS)
_AGAIN = "Run `dawson preprocess` again."


@dataclass(frozen=True)
class UsableImages:
    """What a study works on.

    Parameters
    ----------
    table : DataFrame
        One row an image: participant_id, session_id, label, site, days_from_baseline, and every other participants column;
        `path` and `hash` (SHA-256) of the channel image and `flair`, `t1w` (content hashes of the raw images) are filled
        by `with_channels`.
    exclusions : DataFrame
        participant_id, session_id, stage (consent, selection, diagnosis, files, quality, preprocessing), reason.
    """

    table: pd.DataFrame
    exclusions: pd.DataFrame

    def contents(self) -> list[dict[tuple[str, str], str]]:
        """Content hashes by participant and session: of the channel images, the raw FLAIRs and the raw T1ws."""
        keys = list(zip(self.table["participant_id"], self.table["session_id"], strict=True))
        return [dict(zip(keys, self.table[column], strict=True)) for column in CONTENT_COLUMNS if column in self.table]


def guard_images(splits: pd.DataFrame, images: UsableImages) -> None:
    """The leakage guard with every content hash that is known: a shared FLAIR, T1w or channel image makes people one.

    Raises
    ------
    LeakageError
        From the guard.
    """
    guard(splits)
    for hashes in images.contents():
        guard(splits, hashes)


def candidate_images(cohort: Cohort, config: StudyConfig, action: Action = "train", *, record: bool = True) -> UsableImages:
    """Scans of the chosen participants whose diagnosis is a class of the study and whose FLAIR is on disk.

    With soft labels, a person's label is the most probable class, and the table has the targets of `soft_targets`. Nobody is
    among them whose data may not be used for the action.

    Parameters
    ----------
    cohort : Cohort
    config : StudyConfig
    action : Action
        What the images are wanted for, as consent knows it.
    record : bool
        Whether the use is written to the audit log of a managed study.

    Raises
    ------
    ConsentError
        Consent is managed and nobody may be used.
    ConfigError
        There is no diagnosis column.
    CohortError
        Nothing is left, or a person's class probabilities are none.
    """
    import pandas as pd

    whole = cohort
    cohort, refused = permitted(cohort, config.governance, action, record=record)
    diagnosis = config.study.diagnosis_column
    soft = read_soft_labels(cohort.participants, config.study)
    cohort = labelled(cohort, config.study)
    if diagnosis not in cohort.participants:
        raise ConfigError(
            f"participants.tsv of {cohort.root} has no column {diagnosis!r}.",
            f"Set [study] diagnosis_column to one of: {', '.join(cohort.participants.columns)}.",
        )
    chosen = cohort.select(config.study.where) if config.study.where else cohort
    kept = {(scan.participant_id, scan.session_id) for scan in chosen.scans}
    label_of = dict(zip(cohort.participants["participant_id"], cohort.participants[diagnosis], strict=True))
    exclusions = [
        {"participant_id": scan.participant_id, "session_id": scan.session_id, "stage": "consent", "reason": refused[scan.participant_id]}
        for scan in whole.scans
        if scan.participant_id in refused
    ]
    rows = []
    for scan in cohort.scans:
        label = label_of.get(scan.participant_id)
        if (scan.participant_id, scan.session_id) not in kept:
            stage, reason = "selection", f"not selected by where = {config.study.where!r}"
        elif label not in config.study.classes:
            stage, reason = "diagnosis", f"{diagnosis} is {label!r}, not one of {', '.join(config.study.classes)}"
        elif scan.flair is None:
            stage, reason = "files", "no FLAIR"
        else:
            rows.append({"participant_id": scan.participant_id, "session_id": scan.session_id, "label": label})
            continue
        exclusions.append({"participant_id": scan.participant_id, "session_id": scan.session_id, "stage": stage, "reason": reason})
    if not rows:
        raise CohortError(
            f"No scan of {cohort.root} can be used: {len(exclusions)} were left out.",
            "Run `dawson cohort validate` to see why.",
        )
    known = cohort.scan_table().drop(columns=["label", "path", "hash", "flair", "t1w"], errors="ignore")
    table = pd.DataFrame(rows).merge(known, on=["participant_id", "session_id"], how="left", validate="1:1")
    if config.study.soft_labels:
        table = with_targets(table, soft, config.study)
    return UsableImages(table, pd.DataFrame(exclusions, columns=["participant_id", "session_id", "stage", "reason"]))


def of_quality(candidates: UsableImages, derivatives: Path, section: QualitySection) -> UsableImages:
    """Keep the candidates that neither `dawson quality run` nor a person's verdict excludes.

    Scans that nobody judged are kept.
    """
    import pandas as pd

    bad = excluded(derivatives, section.exclude)
    keys = list(zip(candidates.table["participant_id"], candidates.table["session_id"], strict=True))
    rows = [{"participant_id": key[0], "session_id": key[1], "stage": "quality", "reason": bad[key]} for key in keys if key in bad]
    if not rows:
        return candidates
    if len(rows) == len(keys):
        raise CohortError(
            f"Quality control excludes all {len(keys)} scans.",
            "Look at the quality page, record verdicts with `dawson quality review`, or change [quality] exclude.",
        )
    table = candidates.table[[key not in bad for key in keys]].reset_index(drop=True)
    exclusions = pd.concat([candidates.exclusions, pd.DataFrame(rows)], ignore_index=True)
    return UsableImages(table, exclusions[list(candidates.exclusions.columns)])


def with_channels(candidates: UsableImages, cohort: Cohort, derivatives: Path, preprocessed: pd.DataFrame, jobs: int = 1) -> UsableImages:
    """Keep the candidates that have a channel image, and hash each with the raw images it came from.

    Parameters
    ----------
    candidates : UsableImages
    cohort : Cohort
    derivatives : Path
        Root of the derivatives.
    preprocessed : DataFrame
        The rows of `preprocess.tsv`.
    jobs : int
        Processes that read raw images.

    Raises
    ------
    CohortError
        No channel image exists.
    """
    import pandas as pd

    scans = {(scan.participant_id, scan.session_id): scan for scan in cohort.scans}
    columns = (preprocessed[name] for name in ("participant_id", "session_id", "status", "reason"))
    outcome = {(person, session): (status, reason) for person, session, status, reason in zip(*columns, strict=True)}
    paths, hashes, exclusions = [], [], []
    for key in zip(candidates.table["participant_id"], candidates.table["session_id"], strict=True):
        path = scans[key].derivative(derivatives, CHANNELS_NAME)
        status, reason = outcome.get(key, ("missing", "not preprocessed"))
        usable = status == "done" and path.exists()
        paths.append(str(path) if usable else "")
        hashes.append(sha256(path) if usable else "")
        if not usable:
            reason = reason if isinstance(reason, str) and reason else "its channel image is not there"
            exclusions.append({"participant_id": key[0], "session_id": key[1], "stage": "preprocessing", "reason": reason})
    table = candidates.table.assign(path=paths, hash=hashes)
    table = table[table["path"] != ""].reset_index(drop=True)
    if table.empty:
        raise CohortError(
            f"None of the {len(paths)} scans has a channel image under {derivatives}.",
            "Run `dawson preprocess` and look at the reasons in preprocess.tsv.",
        )
    used = list(zip(table["participant_id"], table["session_id"], strict=True))
    contents = scan_contents([scans[key] for key in used], derivatives, jobs)
    table = table.assign(**{contrast: [contents[key][contrast] for key in used] for contrast in CONTRASTS})
    excluded = pd.concat([candidates.exclusions, pd.DataFrame(exclusions, columns=candidates.exclusions.columns)])
    return UsableImages(table, excluded.reset_index(drop=True))


def read_stack(paths: Sequence[str | Path]) -> NDArray[np.float32]:
    """Channel images as one array, shape (images, channels, rows, columns), float32.

    Raises
    ------
    ImageError
        A file is no array, has another shape than the first, or holds values that are not finite.
    """
    images: list[NDArray[np.float32]] = []
    for path in paths:
        try:
            image = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ImageError(path, f"cannot be read as a channel image ({error}).", _AGAIN) from None
        if images and image.shape != images[0].shape:
            raise ImageError(path, f"has shape {image.shape}, the other images {images[0].shape}.", _AGAIN)
        if not np.isfinite(image).all():
            raise ImageError(path, "holds values that are not finite.", _AGAIN)
        images.append(image.astype(np.float32, copy=False))
    return np.stack(images)


@lru_cache(maxsize=2)
def _kept_stack(paths: tuple[str, ...], hashes: tuple[str, ...]) -> NDArray[np.float32]:
    stack = read_stack(paths)
    stack.setflags(write=False)
    return stack


def stack_of(table: pd.DataFrame) -> NDArray[np.float32]:
    """`read_stack` of a table's `path` column, kept for the next run as long as its `hash` column says the same."""
    return _kept_stack(tuple(table["path"]), tuple(table["hash"]))


def label_indices(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Position of each label in `classes`, shape (images,)."""
    position = {name: index for index, name in enumerate(classes)}
    return np.array([position[label] for label in labels], dtype=np.int64)
