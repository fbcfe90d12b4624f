"""All scans of a study, in parallel, into one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dawson import __version__
from dawson.cohort.scan import Scan
from dawson.config import PreprocessSection
from dawson.files import read_tsv, write_json, write_tsv
from dawson.parallel import cores, each, resolve_jobs
from dawson.preprocess.scan import PreprocessRow, is_simulated, preprocess_scan
from dawson.progress import progress

if TYPE_CHECKING:
    import pandas as pd

TABLE = "preprocess.tsv"
COLUMNS = tuple(field.name for field in fields(PreprocessRow))
_TEXT = tuple(field.name for field in fields(PreprocessRow) if field.type == "str")


def preprocess_cohort(
    scans: Sequence[Scan],
    root: Path,
    derivatives: Path,
    config: PreprocessSection,
    jobs: int = 1,
    dask: str | None = None,
    force: bool = False,
) -> pd.DataFrame:
    """Preprocess scans; what an earlier run finished is only checked.

    Parameters
    ----------
    scans : sequence of Scan
    root : Path
        The study.
    derivatives : Path
        Where results go, usually `STUDY/derivatives/dawson`.
    config : PreprocessSection
    jobs : int
        Processes, 0 for one a core; the cores are shared out between them.
    dask : str, optional
        Address of a Dask scheduler.
    force : bool
        Do every step again.

    Returns
    -------
    DataFrame
        One row for each of `scans`, in their order, with the fields of `PreprocessRow`. `preprocess.tsv` keeps besides
        them the rows of scans that an earlier run was asked for.

    Raises
    ------
    PreprocessingError
        The disk is full; rows so far are kept.
    ConfigError, MissingDependencyError
        The brain extractor or registration of the study file cannot be used.
    """
    from dawson.imaging.brain import extractor_named
    from dawson.imaging.registration import registration_named

    # told before the first scan rather than after it
    extractor_named(config.brain_extractor)
    registration_named(config.registration)
    derivatives.mkdir(parents=True, exist_ok=True)
    describe_derivatives(derivatives)
    jobs = min(resolve_jobs(jobs), max(1, len(scans)))
    # a Dask worker runs as many tasks as it has threads: each then gets one
    threads = 1 if dask is not None else max(1, cores() // jobs)
    rows = {(row.participant_id, row.session_id): row for row in _earlier(derivatives, root)}
    work = partial(
        preprocess_scan,
        derivatives=derivatives,
        config=config,
        root=root,
        threads=threads,
        force=force,
    )
    with progress("Preprocessing", len(scans)) as advance:
        for row in each(work, list(scans), jobs, dask):
            rows[row.participant_id, row.session_id] = row
            _write(derivatives, list(rows.values()))
            advance(f"{row.participant_id} {row.session_id} {row.status}".replace("  ", " "))
    return _table([rows[scan.participant_id, scan.session_id] for scan in scans])


def read_preprocess_table(derivatives: Path) -> pd.DataFrame:
    """`preprocess.tsv` of an earlier run; empty where there is none.

    Parameters
    ----------
    derivatives : Path
        Root of the derivatives.
    """
    path = derivatives / TABLE
    if not path.exists():
        return _table([])
    table = read_tsv(path, text=_TEXT)
    for name in _TEXT:
        if name in table:
            table[name] = table[name].astype(object).where(table[name].notna(), "")
    return table


def describe_derivatives(derivatives: Path) -> None:
    """Write the `dataset_description.json` that makes the folder a BIDS derivative dataset."""
    description = derivatives / "dataset_description.json"
    if description.exists():
        return
    write_json(
        description,
        {
            "Name": "Dawson: brain, template space, channel images",
            "BIDSVersion": "1.9.0",
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "dawson", "Version": __version__}],
        },
    )


def _earlier(derivatives: Path, root: Path) -> list[PreprocessRow]:
    table = read_preprocess_table(derivatives)
    if "simulated" not in table:
        # tables of an earlier version: the scans themselves still say it
        table["simulated"] = [
            any(is_simulated(image) for image in (root / Scan(person, session, None, None).folder).glob("*_FLAIR.nii*"))
            for person, session in zip(table["participant_id"], table["session_id"], strict=True)
        ]
    if not set(COLUMNS) <= set(table.columns):
        return []
    return [PreprocessRow(**{str(name): value for name, value in values.items()}) for values in table[list(COLUMNS)].to_dict("records")]


def _write(derivatives: Path, rows: list[PreprocessRow]) -> None:
    rows = sorted(rows, key=lambda row: (row.participant_id, row.session_id))
    write_tsv(derivatives / TABLE, _table(rows))


def _table(rows: list[PreprocessRow]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS))
