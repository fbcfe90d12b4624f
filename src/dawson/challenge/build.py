"""Making a challenge from a study: a public folder to hand out, and a hidden one that holds the truth and who is who."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawson.challenge.cases import PARTS, TRAINING, Case, Shares, find_cases, true_mask
from dawson.challenge.settings import CHALLENGE_FILE, ChallengeSettings, write_challenge
from dawson.challenge.task import Task
from dawson.cohort.bids import write_dataset_description
from dawson.cohort.checksums import write_checksums
from dawson.cohort.consent import permitted, remember_results
from dawson.cohort.dataset import Cohort, read_cohort
from dawson.cohort.nifti_copy import copy_nifti
from dawson.config import StudyConfig
from dawson.errors import ConfigError, ConsentError
from dawson.files import read_tsv, write_json, write_text, write_tsv
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.progress import progress

if TYPE_CHECKING:
    import pandas as pd

PUBLIC, HIDDEN = "public", "hidden"
CASES, TRUTH = "cases.tsv", "truth"
_OWNER_ONLY = 0o700


@dataclass(frozen=True)
class ChallengePlan:
    """What would be made.

    Parameters
    ----------
    cohort : Cohort
    config : StudyConfig
    task : Task
    targets : tuple of str
    cases : tuple of Case
    left_out : dict of str to str
        Sessions that are no case, with the reason.
    refused : dict of str to str
        People who may not be shown, with the reason.
    seed : int
    """

    cohort: Cohort
    config: StudyConfig
    task: Task
    targets: tuple[str, ...]
    cases: tuple[Case, ...]
    left_out: dict[str, str]
    refused: dict[str, str]
    seed: int

    def counts(self) -> dict[str, tuple[int, int]]:
        """People and cases of each part."""
        found = {}
        for part in PARTS:
            own = [case for case in self.cases if case.part == part]
            found[part] = (len({case.person for case in own}), len(own))
        return found


def plan_challenge(
    study: Path,
    task: Task,
    config: StudyConfig,
    *,
    targets: Sequence[str] = (),
    maker: str = "expert",
    where: str = "",
    shares: Shares = Shares(),
    subgroups: Sequence[str] = ("site",),
    seed: int | None = None,
    record: bool = False,
) -> ChallengePlan:
    """Find the cases of a challenge; consent to public use is asked of everybody.

    Parameters
    ----------
    study : Path
    task : Task
    config : StudyConfig
    targets : sequence of str
        Columns to be told; the classes of the study by default for the task `diagnosis`.
    maker : str
        Whose masks are the truth.
    where : str
        Selection, see `Cohort.select`.
    shares, subgroups
        See `find_cases`.
    seed : int, optional
        Drawn from the system's randomness by default, so that nobody can draw it again.
    record : bool
        Write the use to the audit log.

    Raises
    ------
    ConsentError
        Nobody may be shown to the public.
    CohortError, TooFewParticipantsError
        See `find_cases`.
    """
    if task.name == "diagnosis" and not targets:
        targets = config.study.classes
    if task.answer == "table" and not targets:
        raise ConfigError(f"The task {task.name} needs targets.", "Name columns of the study with --target.")
    cohort = read_cohort(study, text=(config.study.diagnosis_column, config.study.site_column)).select(where)
    allowed, refused = permitted(cohort, config.governance, "export", public=True, record=record)
    chosen = secrets.randbits(63) if seed is None else seed
    cases, left_out = find_cases(
        allowed,
        cohort.root / "derivatives" / "dawson",
        task,
        tuple(targets),
        maker,
        shares,
        chosen,
        diagnosis_column=config.study.diagnosis_column,
        subgroups=subgroups,
    )
    return ChallengePlan(cohort, config, task, tuple(targets), cases, left_out, refused, chosen)


def build_challenge(plan: ChallengePlan, folder: Path, settings: ChallengeSettings) -> Path:
    """Make the folder of a challenge: whole or not at all.

    Parameters
    ----------
    plan : ChallengePlan
    folder : Path
        New or empty, outside the study.
    settings : ChallengeSettings

    Returns
    -------
    Path
        `folder`, with challenge.toml, public/ and hidden/; only the owner may open the last.

    Raises
    ------
    ConfigError
        The folder is not empty, or lies in the study.
    ConsentError
        Somebody may not be shown any more.
    """
    folder = folder.absolute()
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty.", "Give a new folder; a challenge is never changed once it is made.")
    if folder.is_relative_to(plan.cohort.root):
        raise ConfigError(f"{folder} lies in the study {plan.cohort.root}.", "Give a folder elsewhere.")
    _, refused = permitted(plan.cohort, plan.config.governance, "export", public=True)
    if gone := sorted({case.person for case in plan.cases} & set(refused)):
        raise ConsentError(f"{gone[0]} may not be shown to the public any more: {refused[gone[0]]}.", "Plan the challenge again.")
    staging = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        hidden = staging / HIDDEN
        hidden.mkdir(parents=True, mode=_OWNER_ONLY)
        with progress("Cases", len(plan.cases)) as advance:
            for case in plan.cases:
                _hand_out(staging, case, plan.task, simulated=plan.cohort.simulated)
                advance(case.name)
        _tables(staging, plan)
        write_text(staging / PUBLIC / "README.md", _readme(plan, settings))
        write_checksums(staging / PUBLIC)
        write_json(hidden / "made.json", {"seed": plan.seed, "study": str(plan.cohort.root), "left_out": plan.left_out})
        write_challenge(staging, settings)
        if folder.exists():
            folder.rmdir()
        # before the folder gets its name: a withdrawal must find the images of a person here too
        remember_results(plan.cohort.root, folder, plan.config.governance)
        staging.rename(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return folder


def hidden_cases(folder: Path) -> pd.DataFrame:
    """The hidden table of a challenge: case, part, person, subgroups and, for tables, what is true of each case."""
    path = folder / HIDDEN / CASES
    if not path.is_file():
        raise ConfigError(f"{folder} has no hidden truth.", f"Scoring works where the challenge was made: beside its {CHALLENGE_FILE}.")
    return read_tsv(path, text=("case", "part", "person"))


def truth_path(folder: Path, case: str) -> Path:
    """Where the true mask of a case is."""
    return folder / HIDDEN / TRUTH / f"{case}.nii.gz"


def _hand_out(staging: Path, case: Case, task: Task, *, simulated: bool) -> None:
    """Images of a case to the public folder, its truth beside them or to the hidden one."""
    import nibabel as nib

    dataset = staging / PUBLIC / (TRAINING if case.part == TRAINING else "test")
    last = int(case.name.rsplit("-", 1)[1])
    for place, images in enumerate(case.images):
        session = f"ses-{last - len(case.images) + 1 + place:02d}"
        stem = dataset / case.public_person / session / "anat" / f"{case.public_person}_{session}_space-{TEMPLATE_SPACE}"
        for source, contrast in ((images.flair, "FLAIR"), (images.t1w, "T1w")):
            target = Path(f"{stem}_{contrast}.nii.gz")
            if source is not None and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                copy_nifti(source, target)
                # so that programs know what they have before them
                told = {"SkullStripped": True, "Space": TEMPLATE_SPACE}
                write_json(target.with_name(target.name.replace(".nii.gz", ".json")), told | ({"SimulatedData": True} if simulated else {}))
    if task.answer == "mask":
        mask, affine = true_mask(case)
        target = Path(f"{stem}_label-{task.label}_desc-truth_mask.nii.gz") if case.part == TRAINING else truth_path(staging, case.name)
        target.parent.mkdir(parents=True, exist_ok=True, mode=_OWNER_ONLY if case.part != TRAINING else 0o777)
        nib.save(nib.Nifti1Image(mask, affine), target)


def _tables(staging: Path, plan: ChallengePlan) -> None:
    import pandas as pd

    token_of = {person: place for place, person in enumerate(sorted({case.person for case in plan.cases}))}
    hidden = [
        {"case": case.name, "part": case.part, "person": str(token_of[case.person]), **case.subgroup, **case.truth}
        for case in plan.cases
        if case.part != TRAINING
    ]
    write_tsv(staging / HIDDEN / CASES, pd.DataFrame(hidden))
    who = [{"case": case.name, "participant_id": case.person, "session_id": case.scans[-1].session_id} for case in plan.cases]
    write_tsv(staging / HIDDEN / "who.tsv", pd.DataFrame(who))
    more: dict[str, Any] = {"SimulatedData": True} if plan.cohort.simulated else {}
    for name in (TRAINING, "test"):
        own = [case for case in plan.cases if (case.part == TRAINING) == (name == TRAINING)]
        told = [{"case": case.name, **(case.truth if name == TRAINING else {"part": case.part})} for case in own]
        write_tsv(staging / PUBLIC / name / CASES, pd.DataFrame(told))
        people = sorted({case.public_person for case in own})
        write_tsv(staging / PUBLIC / name / "participants.tsv", pd.DataFrame({"participant_id": people}))
        write_dataset_description(staging / PUBLIC / name, f"Challenge, {name} cases", **more)


def _readme(plan: ChallengePlan, settings: ChallengeSettings) -> str:
    from dawson.challenge.instructions import instructions

    return instructions(settings, plan.counts(), simulated=plan.cohort.simulated, some_case=plan.cases[-1].name)
