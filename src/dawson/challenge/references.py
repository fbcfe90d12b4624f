"""Answers of Dawson's own methods to a challenge, made from what participants get: something to be measured against."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.challenge.build import CASES, HIDDEN, PUBLIC
from dawson.challenge.cases import TRAINING
from dawson.challenge.entries import Entry, read_entries, take_entry
from dawson.challenge.settings import ChallengeSettings
from dawson.challenge.table_tasks import happened
from dawson.cohort.dataset import read_cohort
from dawson.errors import ChallengeError
from dawson.files import read_tsv, write_tsv
from dawson.lesions.measure import measure_study
from dawson.lesions.scan_images import lesion_file
from dawson.lesions.segment import segment_study

if TYPE_CHECKING:
    import pandas as pd

    from dawson.cohort.scan import Scan

_WORK = "references"
_LEARNERS = ("diagnosis", "outcome", "conversion")
# measures of a scan that say something of its lesions or its brain, whatever its head's size
_FEATURES = ("lesions", "total_ml", "n_", "ml_in_", "mean_", "csf_ml", "gm_ml", "wm_ml", "ventricles_ml", "thalamus_ml", "bpf")
_PENALTY = 0.1


@dataclass(frozen=True)
class Reference:
    """A method that answers.

    Parameters
    ----------
    team, method : str
        As the leaderboard names it.
    answer : callable
        Cases to answer and a new file; writes the answer.
    """

    team: str
    method: str
    answer: Callable[[Sequence[str], Path], None]


def hand_in_references(challenge: Path, settings: ChallengeSettings, jobs: int = 1) -> list[Entry]:
    """Answer every phase with every method that the task has, as entries of the organiser; those that are there already are left.

    Parameters
    ----------
    challenge : Path
    settings : ChallengeSettings
    jobs : int
        Scans side by side.

    Returns
    -------
    list of Entry
        The new ones, which wait to be scored.

    Raises
    ------
    ChallengeError
        Dawson has no method for the task.
    """
    work = challenge / HIDDEN / _WORK
    there = {(entry.team, entry.phase) for entry in read_entries(challenge) if entry.reference}
    parts = read_tsv(challenge / PUBLIC / "test" / CASES, text=("case", "part"))
    entries = []
    for reference in _references(challenge, settings, work, jobs):
        for phase in settings.phases:
            if (reference.team, phase.name) in there:
                continue
            cases = sorted(parts.loc[parts["part"] == phase.cases, "case"])
            file = work / f"{reference.team.replace(' ', '-').lower()}-{phase.name}.{'zip' if settings.task.answer == 'mask' else 'tsv'}"
            file.unlink(missing_ok=True)
            reference.answer(cases, file)
            entries.append(take_entry(challenge, settings, file, reference.team, method=reference.method, phase=phase.name, reference=True))
    return entries


def _references(challenge: Path, settings: ChallengeSettings, work: Path, jobs: int) -> Iterator[Reference]:
    task = settings.task.name
    if task == "lesion-segmentation":
        for maker, team, method in (
            ("dawson", "Dawson network", "the shipped network"),
            ("classical", "Dawson classical", "thresholds, rules"),
        ):
            yield Reference(team, method, _Masks(challenge, work, maker, jobs).lesions)
    elif task == "new-lesions":
        masks = _Masks(challenge, work, "dawson", jobs)
        yield Reference("Dawson network", "lesions of the shipped network that touch none of the visit before", masks.new_lesions)
    elif task in _LEARNERS:
        yield Reference(
            "Training average", "says of everybody what is usual among the training cases", _Average(challenge, settings).answer
        )
        regression = _Regression(challenge, settings, work, jobs)
        yield Reference("Dawson regression", "penalised regression on lesions and volumes of the network's masks", regression.answer)
    else:
        raise ChallengeError(f"There is no reference for {task}.", "Hand one in with `dawson challenge submit --reference`.")


@dataclass(frozen=True)
class _Masks:
    challenge: Path
    work: Path
    maker: str
    jobs: int

    def lesions(self, cases: Sequence[str], file: Path) -> None:
        scans = self._segmented(cases)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as out:
            for case in cases:
                out.write(self._mask(scans[case]), f"{case}.nii.gz")

    def new_lesions(self, cases: Sequence[str], file: Path) -> None:
        import nibabel as nib
        from scipy import ndimage

        from dawson.imaging.lesion_instances import lesion_instances

        scans = self._segmented(cases, before=True)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as out:
            for case in cases:
                image: Any = nib.load(self._mask(scans[case]))
                before = np.asarray(nib.load(self._mask(scans[_before(case)])).dataobj) > 0  # type: ignore[attr-defined]
                numbers = lesion_instances(np.asarray(image.dataobj) > 0)
                known = np.unique(numbers[ndimage.binary_dilation(before)])
                new = ((numbers > 0) & ~np.isin(numbers, known)).astype(np.uint8)
                out.writestr(f"{case}.nii", nib.Nifti1Image(new, image.affine).to_bytes())

    def _segmented(self, cases: Sequence[str], *, before: bool = False) -> dict[str, Scan]:
        wanted = {*cases, *(_before(case) for case in cases)} if before else set(cases)
        return _segmented(self.challenge / PUBLIC / "test", self.work / "test", wanted, self.maker, self.jobs)

    def _mask(self, scan: Scan) -> Path:
        return scan.derivative(self.work / "test", lesion_file(self.maker, "mask"))


@dataclass(frozen=True)
class _Average:
    challenge: Path
    settings: ChallengeSettings

    def answer(self, cases: Sequence[str], file: Path) -> None:
        truth = _truth(self.challenge)
        told = {}
        for column, values in _columns(self.settings, truth).items():
            told[column] = float(values.mean() if column.startswith("probability_") else values.median())
        _write(file, cases, {column: np.full(len(cases), value) for column, value in told.items()})


@dataclass(frozen=True)
class _Regression:
    challenge: Path
    settings: ChallengeSettings
    work: Path
    jobs: int

    def answer(self, cases: Sequence[str], file: Path) -> None:
        truth, known = self._training
        names = [
            name
            for name in known.columns
            if name.startswith(_FEATURES) and not name.endswith(("_low", "_high")) and known[name].min() < known[name].max()
        ]
        asked = self._measured("test", cases)[names].to_numpy(float)
        given = {}
        for column, values in _columns(self.settings, truth).items():
            is_probability = column.startswith("probability_")
            given[column] = _fitted(known[names].to_numpy(float), values.to_numpy(float), asked, probability=is_probability)
        if self.settings.task.name == "diagnosis":
            total = np.sum(list(given.values()), axis=0)
            given = {column: values / total for column, values in given.items()}
        _write(file, cases, given)

    @cached_property
    def _training(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """What is true of the training cases and what was measured of them, the same for all phases."""
        truth = _truth(self.challenge)
        return truth, self._measured(TRAINING, list(truth.index))

    def _measured(self, dataset: str, cases: Sequence[str]) -> pd.DataFrame:
        folder = self.work / dataset
        scans = _segmented(self.challenge / PUBLIC / dataset, folder, set(cases), "dawson", self.jobs)
        table = measure_study([scans[case] for case in cases], (folder,), folder, ("dawson",), jobs=self.jobs)
        table.index = table["participant_id"] + "_" + table["session_id"]
        return table.loc[list(cases)].apply(_numbers)


def _numbers(column: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.to_numeric(column, errors="coerce")


def _fitted(known: np.ndarray, values: np.ndarray, asked: np.ndarray, *, probability: bool) -> np.ndarray:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if probability and len(set(values)) < 2:
        return np.full(len(asked), float(values[0]))
    model = LogisticRegression(C=_PENALTY, max_iter=1000) if probability else RidgeCV(np.logspace(-1, 4, 11))
    fitted = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), model).fit(known, values)
    return np.asarray(fitted.predict_proba(asked)[:, 1] if probability else fitted.predict(asked))


def _segmented(dataset: Path, derivatives: Path, cases: set[str], maker: str, jobs: int) -> dict[str, Scan]:
    scans = {scan.entities: scan for scan in read_cohort(dataset).scans if scan.entities in cases}
    table = segment_study(list(scans.values()), derivatives, maker, jobs, root=dataset)
    failed = table[table["status"] != "done"]
    if len(failed):
        first = failed.iloc[0]
        raise ChallengeError(
            f"{first['participant_id']} {first['session_id']} cannot be answered: {first['reason']}", "Correct that image."
        )
    return scans


def _truth(challenge: Path) -> pd.DataFrame:
    return read_tsv(challenge / PUBLIC / TRAINING / CASES, text=("case", "diagnosis")).set_index("case")


def _columns(settings: ChallengeSettings, truth: pd.DataFrame) -> dict[str, pd.Series]:
    """Columns of an answer to what is true of them in the training cases: 0 or 1 where a probability is asked for."""
    targets = settings.challenge.targets
    if settings.task.name == "diagnosis":
        return {f"probability_{name}": (truth["diagnosis"] == name).astype(float) for name in targets}
    if settings.task.name == "conversion":
        return {f"probability_{targets[0]}": truth[targets[0]].map(happened).astype(float)}
    return {name: truth[name].astype(float) for name in targets}


def _write(file: Path, cases: Sequence[str], columns: dict[str, np.ndarray]) -> None:
    import pandas as pd

    write_tsv(file, pd.DataFrame({"case": list(cases), **columns}))


def _before(case: str) -> str:
    """Name of the visit before the one that a case is about."""
    person, session = case.split("_ses-")
    return f"{person}_ses-{int(session) - 1:02d}"
