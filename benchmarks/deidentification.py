"""What de-identification leaves of planted identifiers, and keeps of the measurement: Dawson beside dicom-anonymizer and dicognito.

    python benchmarks/deidentification.py

The files are all made up (`planted_identifiers.py`). Every tool gets the same ones, with its default actions; dicom-anonymizer also with
the table that Dawson uses. A text counts as left when it is in the bytes of the file in any of ten encodings, in its decoded values, or in
its file name, wherever in the file that is.
"""

from __future__ import annotations

import argparse
import io
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from planted_identifiers import Planted, planted_files
from planted_search import elements_kept, found_in, texts_left
from pydicom import dcmread
from pydicom.dataset import Dataset

Tool = Callable[[Dataset, str], tuple[bytes, str]]


@dataclass
class Tally:
    """What one tool did to the whole set."""

    texts: int = 0
    left: int = 0
    identifiers: int = 0
    identifiers_left: int = 0
    keepable: int = 0
    kept: int = 0
    failed: int = 0
    visits: dict[str, list[date | None]] = field(default_factory=dict)
    ages: int = 0
    where: set[str] = field(default_factory=set)


def written(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def untouched(dataset: Dataset, file_name: str) -> tuple[bytes, str]:
    return written(dataset), file_name


def dawson(dataset: Dataset, file_name: str) -> tuple[bytes, str]:
    """As `dawson intake dicom --dicom-out` writes it: found, planned, cleaned, kept under the intake's own names."""
    from dawson.intake.plan import make_plan
    from dawson.intake.process import Job, deidentify_series, keep_dicom
    from dawson.intake.record import Record
    from dawson.intake.series import find_series
    from dawson.intake.sorting import SHIPPED, read_rules
    from dawson.intake.sources import Limits, open_source

    secret = b"a secret for this benchmark only"
    with TemporaryDirectory() as name:
        source, study, cleaned, kept = (Path(name, part) for part in ("source", "study", "cleaned", "kept"))
        source.mkdir()
        (source / file_name).write_bytes(written(dataset))
        with open_source(source) as opened:
            found = find_series(opened)
        (planned,) = make_plan(found, study, read_rules(SHIPPED, ()), secret, Record(study)).planned
        job = Job(source, Limits(), (planned,), secret, Path(name), False, True, True)
        deidentify_series(job, planned, cleaned)
        keep_dicom(cleaned, kept, planned)
        (path,) = (path for path in kept.rglob("*") if path.is_file())
        return path.read_bytes(), path.relative_to(kept).as_posix()


def dicom_anonymizer(dataset: Dataset, file_name: str, edition: str) -> tuple[bytes, str]:
    from dicomanonymizer.simpledicomanonymizer import anonymize_dataset, initialize_actions

    anonymize_dataset(dataset, base_rules_gen=partial(initialize_actions, edition))
    # Its command line keeps the names of the files.
    return written(dataset), file_name


def dicognito(dataset: Dataset, file_name: str) -> tuple[bytes, str]:
    from dicognito.anonymizer import Anonymizer

    Anonymizer(seed="a secret for this benchmark only").anonymize(dataset)
    # Its command line names files by their new UID when it writes to another folder.
    return written(dataset), f"{dataset.SOPInstanceUID}.dcm"


TOOLS: dict[str, Tool] = {
    "untouched": untouched,
    "Dawson": dawson,
    "dicom-anonymizer, default table (2023)": partial(dicom_anonymizer, edition="dicomfields_2023"),
    "dicom-anonymizer, table 2026c": partial(dicom_anonymizer, edition="dicomfields_2026c"),
    "dicognito": dicognito,
}


def measure(tool: Tool, files: list[Planted]) -> Tally:
    tally = Tally()
    for planted in files:
        texts = set(planted.places.values())
        own = [one for one in planted.everywhere if found_in(planted.content, [one])]
        tally.texts += len(texts)
        tally.identifiers += len(own)
        tally.keepable += len(planted.kept)
        try:
            content, name = tool(dcmread(io.BytesIO(planted.content)), planted.file_name)
        except Exception as error:
            print(f"failed: {error!r}", file=sys.stderr)
            tally.failed += 1
            continue
        left = texts_left(planted, content, name)
        tally.left += len(left)
        tally.where |= {place for place, text in planted.places.items() if text in left}
        tally.identifiers_left += len(found_in(content, own))
        result = dcmread(io.BytesIO(content))
        tally.kept += len(elements_kept(planted, result))
        tally.visits.setdefault(planted.person.number, []).append(_day(result))
        tally.ages += str(result.get("PatientAge", "")) == min(planted.person.age, "090Y")
    return tally


def intervals_kept(tally: Tally, files: list[Planted]) -> tuple[int, int]:
    """Patients whose visits are as many days apart as they were."""
    true: dict[str, list[date]] = {}
    for planted in files:
        true.setdefault(planted.person.number, []).append(planted.visit)
    same = 0
    for number, visits in true.items():
        found = tally.visits.get(number, [])
        same += len(found) == 2 and None not in found and found[1] - found[0] == visits[1] - visits[0]
    return same, len(true)


def _day(dataset: Dataset) -> date | None:
    from dawson.intake.dates import parse_date

    return parse_date(str(dataset.get("StudyDate") or ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--places", action="store_true", help="also list where each tool leaves something")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    files = list(planted_files(seed=given.seed))
    print(f"{len(files)} generated files, {min(len(one.places) for one in files)} or more planted places each\n")
    print("| tool | planted texts left | own name, number, dates left | elements kept | intervals kept | age kept (90+ as 90) | failed |")
    print("|---|---|---|---|---|---|---|")
    tallies = {name: measure(tool, files) for name, tool in TOOLS.items()}
    for name, one in tallies.items():
        same, people = intervals_kept(one, files)
        print(
            f"| {name} | {one.left} of {one.texts} | {one.identifiers_left} of {one.identifiers} | {one.kept} of {one.keepable} "
            f"({100 * one.kept / one.keepable:.1f} %) | {same} of {people} | {one.ages} of {len(files)} | {one.failed} |"
        )
    if given.places:
        for name, one in tallies.items():
            print(f"\n{name}: {', '.join(sorted(one.where)) or 'nowhere'}")


if __name__ == "__main__":
    main()
