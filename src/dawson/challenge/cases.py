"""Cases of a challenge out of a study: who trains, who is tested, what each case shows, and what is true of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dawson.challenge.task import Task
from dawson.cohort.dataset import Cohort
from dawson.cohort.scan import Scan
from dawson.errors import CohortError, ImageError, TooFewParticipantsError
from dawson.files import read_tsv
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.lesions.label_types import label_types
from dawson.lesions.scan_images import ScanImages, find_images, refuse_faces

if TYPE_CHECKING:
    import pandas as pd

TRAINING, OPEN, FINAL = "training", "open", "final"
PARTS = (TRAINING, OPEN, FINAL)
SMALLEST_PART = 2
"""People that each part must have at least."""


@dataclass(frozen=True)
class Case:
    """One thing to be told.

    Parameters
    ----------
    name : str
        What participants call it, `sub-0001_ses-01`; it says nothing of who it is.
    part : {"training", "open", "final"}
    scans : tuple of Scan
        Of the study, the earliest first; the answer is about the last.
    images : tuple of ScanImages
    truth_mask : tuple of Path
        One mask, or the numbered lesions of both sessions, in which new ones have numbers of their own.
    truth : dict
        Values of the targets, for tables.
    subgroup : dict
        What else is known of the person, for scores apart.
    """

    name: str
    part: str
    scans: tuple[Scan, ...]
    images: tuple[ScanImages, ...]
    truth_mask: tuple[Path, ...] = ()
    truth: dict[str, Any] = field(default_factory=dict)
    subgroup: dict[str, Any] = field(default_factory=dict)

    @property
    def person(self) -> str:
        """Participant of the study."""
        return self.scans[-1].participant_id

    @property
    def public_person(self) -> str:
        """What participants call the person."""
        return self.name.split("_")[0]


@dataclass(frozen=True)
class Shares:
    """How people are divided: `test` of all, of which `final` are kept for the final phase."""

    test: float = 0.5
    final: float = 0.5


def find_cases(
    cohort: Cohort,
    derivatives: Path,
    task: Task,
    targets: Sequence[str],
    maker: str,
    shares: Shares,
    seed: int,
    *,
    diagnosis_column: str = "diagnosis",
    subgroups: Sequence[str] = ("site",),
) -> tuple[tuple[Case, ...], dict[str, str]]:
    """Cases with everything that they need, and why the other sessions are none.

    Parameters
    ----------
    cohort : Cohort
        Of people who may go.
    derivatives : Path
    task : Task
    targets : sequence of str
        See `Task`.
    maker : str
        Whose masks are the truth (`desc-`).
    shares : Shares
    seed : int
        Of who is in which part and who gets which number. Who knows it knows who is who: it stays hidden.
    diagnosis_column : str
        Parts are balanced by it, and it is the truth of the task `diagnosis`.
    subgroups : sequence of str
        Columns of the cohort's tables that are kept, hidden, beside each case.

    Returns
    -------
    tuple of Case
    dict of str to str
        Session's entities to reason.

    Raises
    ------
    CohortError
        A target is no column of the study, or no session can be a case.
    TooFewParticipantsError
        A part would have fewer than two people.
    """
    known = (
        _truth_table(cohort, derivatives, targets if task.name != "diagnosis" else (diagnosis_column,)) if task.answer == "table" else {}
    )
    found: list[Case] = []
    left_out: dict[str, str] = {}
    for scans in _visits(cohort, task):
        entities = scans[-1].entities
        try:
            images = tuple(find_images(scan, derivatives) for scan in scans)
            for scan, one in zip(scans, images, strict=True):
                refuse_faces(scan, one, derivatives)
            masks = _truth_masks(scans, derivatives, task, maker) if task.answer == "mask" else ()
            truth = known.get(entities, {}) if task.answer == "table" else {}
            if task.answer == "table":
                truth = _complete(truth, task, targets, diagnosis_column)
        except (CohortError, ImageError) as error:
            left_out[entities] = str(error)
            continue
        found.append(Case("", "", scans, images, masks, truth, _of_person(cohort, scans[-1].participant_id, subgroups)))
    if not found:
        reason = next(iter(left_out.values()), "the study has no session")
        raise CohortError(f"No session of {cohort.root} can be a case of {task.name}: {reason}", "See the task's needs in the manual.")
    return _divided(found, cohort, shares, seed, diagnosis_column), left_out


def true_mask(case: Case) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The truth of a case as voxels (x, y, z) and affine.

    Raises
    ------
    ImageError
        A mask cannot be read, or is on another grid than the FLAIR that it is about.
    """
    import nibabel as nib

    flair: Any = nib.load(case.images[-1].flair)
    found = []
    for path in case.truth_mask:
        try:
            image: Any = nib.load(path)
            found.append(np.asarray(image.dataobj))
        except Exception as error:
            # nibabel and zlib raise many kinds for a damaged file
            raise ImageError(path, f"cannot be read ({error}).", "Copy or draw it again.") from None
        if image.shape != flair.shape or not np.allclose(image.affine, flair.affine, atol=1e-3):
            raise ImageError(path, "is on another grid than its FLAIR.", "Bring the mask to the grid of the FLAIR.")
    if len(found) == 1:
        mask = found[0] > 0.5
    else:
        before, after = found
        mask = np.isin(after, np.unique(before), invert=True) & (after > 0)
    return mask.astype(np.uint8), np.asarray(flair.affine, dtype=np.float64)


def _visits(cohort: Cohort, task: Task) -> list[tuple[Scan, ...]]:
    """Scans that cases are made of: every one, or every two that follow each other; for tables the first of each person."""
    if task.answer == "table":
        first: dict[str, tuple[Scan, ...]] = {}
        for visit in cohort.visits():
            first.setdefault(visit[0].participant_id, visit)
        return list(first.values())
    return cohort.visits(task.visits)


def _truth_masks(scans: tuple[Scan, ...], derivatives: Path, task: Task, maker: str) -> tuple[Path, ...]:
    last = scans[-1]
    mask = last.derivative(derivatives, f"space-{TEMPLATE_SPACE}_label-{task.label}_desc-{maker}_mask.nii.gz")
    if mask.is_file():
        return (mask,)
    if task.visits == 2:
        numbered = tuple(scan.derivative(derivatives, f"space-{TEMPLATE_SPACE}_label-lesion_desc-{maker}_dseg.nii.gz") for scan in scans)
        # only the simulator's lesions keep their numbers from one session to the next
        if maker == "sim" and all(path.is_file() for path in numbered):
            return numbered
    title = next((entry.title for entry in label_types().values() if entry.label == task.label), task.label)
    raise CohortError(f"{last.entities} has no mask {mask.name} ({title}).", "Give another maker, or mark it first.")


def _truth_table(cohort: Cohort, derivatives: Path, columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Values of columns for every session: of the cohort's tables, and of lesions.tsv where these have none."""
    table = cohort.scan_table()
    measured = derivatives / "lesions.tsv"
    if missing := [name for name in columns if name not in table.columns]:
        more = read_tsv(measured, text=("participant_id", "session_id")) if measured.is_file() else None
        if more is None or (absent := [name for name in missing if name not in more.columns]):
            names_of = ", ".join(missing if more is None else absent)
            raise CohortError(f"{cohort.root} has no column {names_of}.", f"Targets are columns of participants, sessions or {measured}.")
        unique = more.drop_duplicates(["participant_id", "session_id"])
        table = table.merge(unique[["participant_id", "session_id", *missing]], on=["participant_id", "session_id"], how="left")
    rows = zip(cohort.scans, table[list(columns)].to_dict("records"), strict=True)
    return {scan.entities: {str(name): value for name, value in row.items()} for scan, row in rows}


def _complete(row: dict[str, Any], task: Task, targets: Sequence[str], diagnosis_column: str) -> dict[str, Any]:
    import pandas as pd

    if empty := [name for name, value in row.items() if pd.isna(value) or value == ""]:
        raise CohortError(f"Its {', '.join(empty)} is not known.", "Fill the tables.")
    if task.name != "diagnosis":
        return row
    if row[diagnosis_column] not in targets:
        raise CohortError(f"Its diagnosis {row[diagnosis_column]} is none of {', '.join(targets)}.", "Name all classes as targets.")
    return {"diagnosis": row[diagnosis_column]}


def _of_person(cohort: Cohort, person: str, columns: Sequence[str]) -> dict[str, Any]:
    table = cohort.participants.set_index("participant_id")
    return {name: table.loc[person, name] for name in columns if name in table.columns}


def _divided(cases: Sequence[Case], cohort: Cohort, shares: Shares, seed: int, diagnosis_column: str) -> tuple[Case, ...]:
    from dataclasses import replace

    people = sorted({case.person for case in cases})
    strata = _strata(cohort.participants, people, diagnosis_column)
    rng = np.random.default_rng(seed)
    part_of: dict[str, str] = {}
    # the fractions left over in one class are made up for in the next
    owed = np.zeros(len(PARTS))
    wanted = np.array([1 - shares.test, shares.test * (1 - shares.final), shares.test * shares.final])
    for members in strata:
        for person in rng.permutation(members):
            owed += wanted
            chosen = int(np.argmax(owed))
            owed[chosen] -= 1
            part_of[str(person)] = PARTS[chosen]
    counts = {part: sum(given == part for given in part_of.values()) for part in PARTS}
    if few := [part for part, count in counts.items() if count < SMALLEST_PART]:
        raise TooFewParticipantsError(
            f"{len(people)} people give {', '.join(f'{counts[part]} {part}' for part in PARTS)}; {few[0]} needs {SMALLEST_PART} at least.",
            "Take more people, or other shares.",
        )
    number_of = {str(person): place for place, person in enumerate(rng.permutation(people), start=1)}
    width = max(4, len(str(len(people))))
    named: list[Case] = []
    for person in people:
        own = sorted((case for case in cases if case.person == person), key=lambda case: case.scans)
        visits = sorted({scan for case in own for scan in case.scans})
        for case in own:
            name = f"sub-{number_of[person]:0{width}d}_ses-{visits.index(case.scans[-1]) + 1:02d}"
            named.append(replace(case, name=name, part=part_of[person]))
    return tuple(sorted(named, key=lambda case: case.name))


def _strata(participants: pd.DataFrame, people: Sequence[str], column: str) -> list[list[str]]:
    if column not in participants.columns:
        return [list(people)]
    label = participants.set_index("participant_id")[column].astype(str)
    return [[person for person in people if label[person] == level] for level in sorted(set(label[list(people)]))]
