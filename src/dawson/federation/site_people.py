"""Whom a site trains with in a job, asked anew at every round, and the split that holds for the whole job."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dawson.classification.experiment import SPLITS
from dawson.classification.images import CONTENT_COLUMNS, UsableImages, guard_images
from dawson.classification.study import prepare_images
from dawson.cohort.consent import governance_of, permitted
from dawson.cohort.dataset import Cohort
from dawson.cohort.splits import final_splits
from dawson.config import STUDY_FILE, StudyConfig, read_config
from dawson.errors import ConfigError, ConsentError, TooFewParticipantsError
from dawson.files import digest_of, read_json, read_tsv, sha256, write_json, write_tsv
from dawson.governance.gate import rule, use_of
from dawson.governance.keys import read_or_make_secret

if TYPE_CHECKING:
    import pandas as pd

    from dawson.classification.experiment import StudyPaths
    from dawson.federation.plan import FederatedPlan

FEDERATION = "federation"
"""Folder of a study with what it keeps of federated jobs; all of it stays at the site."""
TOLD = "told.json"
_KEY = "federation.key"


@dataclass(frozen=True)
class SitePeople:
    """The people of one job at one site.

    Parameters
    ----------
    cohort : Cohort
    config : StudyConfig
        The site's own, with what the plan decides.
    table : DataFrame
        participant_id, session_id, label, path, hash, role (train or validation), and the content columns.
    """

    cohort: Cohort
    config: StudyConfig
    table: pd.DataFrame

    def of_role(self, role: str) -> pd.DataFrame:
        """The images of a role, in a fixed order."""
        rows = self.table[self.table["role"] == role]
        return rows.sort_values(["participant_id", "session_id"]).reset_index(drop=True)


def site_config(study: Path, plan: FederatedPlan) -> StudyConfig:
    """The site's study file with what the plan decides; selection and columns are the site's.

    Raises
    ------
    ConfigError
        The site makes its channel images otherwise than the plan says, or harmonises them.
    """
    own = read_config(study / STUDY_FILE)
    if own.preprocess != plan.preprocess:
        raise ConfigError(f"[preprocess] of {study / STUDY_FILE} is not that of the job {plan.job}.", "Agree on one with the coordinator.")
    if own.harmonisation.intensity != "none" or own.study.soft_labels:
        raise ConfigError(f"{study / STUDY_FILE} harmonises brightness or has soft labels, which federated training does not do.")
    return own.updated(
        study={"classes": plan.classes, "positive": plan.positive}, training=plan.training.model_dump(),
        split={"folds": plan.folds, "seed": plan.seed}, governance={"purpose": plan.purpose},
    )  # fmt: skip


def gather(paths: StudyPaths, plan: FederatedPlan, *, jobs: int = 1) -> SitePeople:
    """Everybody who may be used for the plan, with channel images, split into training and validation people.

    The split is made once in a job, by the rules of every study, and kept in the job's folder: after a restart nobody changes sides.

    Raises
    ------
    ConsentError
        Nobody may be used.
    ConfigError
        The site's settings do not fit the plan, or the folder holds another job of this name.
    TooFewParticipantsError, CohortError, LeakageError
        As of every study.
    """
    folder = job_folder(paths, plan.job)
    config = site_config(paths.study, plan)
    cohort, usable = prepare_images(paths, config, jobs=jobs)
    refused = _refused(cohort, plan, round_number=0)
    kept = usable.table[~usable.table["participant_id"].isin(refused)].reset_index(drop=True)
    if kept.empty:
        raise ConsentError(f"Nobody of {paths.study} may be used for {plan.job}.", "`dawson governance consent check` lists the reasons.")
    usable = replace(usable, table=kept)
    claimed = folder / "plan.json"
    if claimed.is_file() and read_json(claimed)["digest"] != plan.digest:
        raise ConfigError(f"{folder} holds another job of the name {plan.job}.", "Give the new job another name.")
    splits = _splits(folder, plan, usable)
    write_json(claimed, {"digest": plan.digest, "plan": plan.model_dump(mode="json")})
    table = kept.merge(splits[["participant_id", "session_id", "role"]], on=["participant_id", "session_id"], validate="1:1")
    return SitePeople(cohort, config, table)


def _splits(folder: Path, plan: FederatedPlan, usable: UsableImages) -> pd.DataFrame:
    path = folder / SPLITS
    if path.is_file():
        splits = read_tsv(path, text=("role",))
    else:
        whole = final_splits(usable.table, plan.folds, plan.seed)
        splits = whole[whole["fold"] == 0].reset_index(drop=True)
    guard_images(splits, usable)
    write_tsv(path, splits)
    return splits


def still_permitted(people: SitePeople, plan: FederatedPlan, round_number: int) -> tuple[SitePeople, int]:
    """The people who may still be used at the start of a round, and how many fewer they are; whoever withdrew is out from here on.

    Raises
    ------
    ConsentError
        Nobody may be used any more.
    """
    refused = _refused(people.cohort, plan, round_number)
    table = people.table[~people.table["participant_id"].isin(refused)].reset_index(drop=True)
    return replace(people, table=table), people.table["participant_id"].nunique() - table["participant_id"].nunique()


def _refused(cohort: Cohort, plan: FederatedPlan, round_number: int) -> set[str]:
    """Who may not be trained with now: by withdrawal, by consent for what the study says of itself, and for the plan's purpose."""
    governance = governance_of(cohort.root, read_config(cohort.root / STUDY_FILE).governance)
    _, refused = permitted(cohort, governance, "train", record=False)
    if not governance.managed:
        return set(refused)
    asked = [person for person in cohort.participants["participant_id"].astype(str) if person not in refused]
    use = use_of(governance, "train", purpose=plan.purpose)
    ruling = rule(cohort.root, asked, use, managed=True, detail={"federation": plan.job, "round": round_number})
    return {*refused, *ruling.refused}


def class_counts(table: pd.DataFrame, classes: Iterable[str], minimum: int) -> tuple[dict[str, int], dict[str, int]]:
    """Training people and scans of each class.

    Raises
    ------
    TooFewParticipantsError
        A class has somebody, but fewer than the minimum.
    """
    people = {name: int(table.loc[table["label"] == name, "participant_id"].nunique()) for name in classes}
    scans = {name: int((table["label"] == name).sum()) for name in classes}
    few = [f"{name} {count}" for name, count in people.items() if 0 < count < minimum]
    if few or not any(people.values()):
        raise TooFewParticipantsError(f"Fewer than {minimum} training people: {', '.join(few) or 'nobody'}.", "Wait for more people.")
    return people, scans


def write_manifest(paths: StudyPaths, plan: FederatedPlan, people: SitePeople) -> str:
    """Who the job learns from and is judged with, in governance/training-manifests, and the digest of that file, which may leave."""
    path = paths.manifest(f"{FEDERATION}-{plan.job}")
    write_tsv(path, people.table[["participant_id", "session_id", "label", "role", *CONTENT_COLUMNS]])
    return sha256(path)


def may_tell_of(folder: Path, people: Iterable[str], minimum: int) -> bool:
    """Whether aggregates over these people may be told, after all that were told before.

    Not where they differ from people of an earlier answer by some, but fewer than the minimum: the difference of the two answers would be
    about those few, such as the one who withdrew. What is told is noted, as keyed digests that only this site can make.

    Parameters
    ----------
    folder : Path
        `federation` of the site.
    people : iterable of str
        participant_id.
    minimum : int
    """
    key = read_or_make_secret(_KEY)
    now = {hmac.new(key, person.encode(), "sha256").hexdigest()[:32] for person in set(people)}
    path = folder / TOLD
    before = [set(entry) for entry in read_json(path)] if path.is_file() else []
    if any(0 < len(now ^ earlier) < minimum for earlier in before):
        return False
    if now not in before:
        write_json(path, [sorted(entry) for entry in [*before, now]])
    return True


def job_folder(paths: StudyPaths, job: str) -> Path:
    """What the site keeps of a job."""
    return paths.out / FEDERATION / job


def seed_of(plan: FederatedPlan, site: str, round_number: int) -> tuple[int, ...]:
    """Entropy of a site's training in a round, the same after a restart."""
    return plan.seed, 1, round_number, int(digest_of(site)[:8], 16)
