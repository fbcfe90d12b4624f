"""Quality of a whole study: measure every scan once, compare each with its group, decide."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawson.cohort.dataset import Cohort
from dawson.cohort.scan import Scan
from dawson.config import StudyConfig
from dawson.errors import QualityError
from dawson.files import read_tsv, write_json, write_tsv
from dawson.imaging.air_bend import AIR_PLACES
from dawson.parallel import each, resolve_jobs
from dawson.progress import progress
from dawson.quality.decisions import VERDICT_COLUMNS, decide, with_verdicts
from dawson.quality.dictionary import describe
from dawson.quality.measures import ScanMeasures, images_of, measure_scan, read_measures
from dawson.quality.outliers import directed_z, judged_against, judged_columns
from dawson.quality.places import DICTIONARY, MEASURES, TABLE, sidecar
from dawson.quality.plausibility import Finding, implausible
from dawson.quality.protocol import Protocol, deviations, read_protocol
from dawson.quality.usual_bend import unusual_bends

if TYPE_CHECKING:
    import pandas as pd

_SCANNER = ("Manufacturer", "ManufacturersModelName", "MagneticFieldStrength")


def run_quality(
    cohort: Cohort,
    scans: Sequence[Scan],
    derivatives: Path,
    config: StudyConfig,
    jobs: int = 1,
    dask: str | None = None,
    force: bool = False,
) -> pd.DataFrame:
    """Measure scans, and decide on all that were ever measured.

    Parameters
    ----------
    cohort : Cohort
        The study.
    scans : sequence of Scan
        Those to measure; what was measured of the same files before is not measured again.
    derivatives : Path
        Root of the derivatives; `quality.tsv` and `quality.json` go there.
    config : StudyConfig
    jobs : int
        Processes, 0 for one a core.
    dask : str, optional
        Address of a Dask scheduler.
    force : bool
        Measure again.

    Returns
    -------
    DataFrame
        One row for every measured scan of the cohort, the worst first; see `quality.json`.

    Raises
    ------
    QualityError
        The protocol cannot be read, or there is no scan.
    """
    protocol = read_protocol(cohort.root)
    present = [scan for scan in scans if images_of(scan)]
    if not present:
        raise QualityError(f"{cohort.root} has no T1w or FLAIR image to measure.", "Check it with `dawson cohort validate`.")
    jobs = min(resolve_jobs(jobs), len(present))
    work = partial(measure_scan, derivatives=derivatives, masks=config.comparators.masks, force=force)
    done: dict[tuple[str, str], ScanMeasures] = {}
    with progress("Quality", len(present)) as advance:
        for found in each(work, present, jobs, dask):
            done[found.participant_id, found.session_id] = found
            advance(f"{found.participant_id} {found.session_id}".strip())
    for scan in cohort.scans:
        key = (scan.participant_id, scan.session_id)
        if key not in done and (earlier := read_measures(scan.derivative(derivatives, MEASURES))) is not None:
            done[key] = earlier
    table = decision_table(cohort, done, derivatives, config, protocol)
    write_json(derivatives / DICTIONARY, describe(table.columns))
    write_tsv(derivatives / TABLE, table)
    return table


def decision_table(
    cohort: Cohort, measured: dict[tuple[str, str], ScanMeasures], derivatives: Path, config: StudyConfig, protocol: Protocol
) -> pd.DataFrame:
    """Compare measured scans with their groups and with the rules.

    Parameters
    ----------
    cohort : Cohort
    measured : dict of (str, str) to ScanMeasures
        By participant and session.
    derivatives : Path
        Where `preprocess.tsv` and the verdicts lie.
    config : StudyConfig
    protocol : Protocol
    """
    import pandas as pd

    scans = [scan for scan in cohort.scans if (scan.participant_id, scan.session_id) in measured]
    sites = _sites(cohort, config.study.site_column)
    fits = _preprocessed(derivatives)
    rows: list[dict[str, Any]] = []
    for scan in scans:
        key = (scan.participant_id, scan.session_id)
        fit = fits.get(key, {})
        known = {name: fit[name] for name in judged_columns() if isinstance(fit.get(name), int | float) and fit[name] == fit[name]}
        rows.append({"participant_id": key[0], "session_id": key[1], "group": _group(scan, sites), **measured[key].measures, **known})
    table = pd.DataFrame(rows)
    minimum = config.quality.minimum_group
    bends = [measured[scan.participant_id, scan.session_id].bends for scan in scans]
    for air in AIR_PLACES:
        table[f"bend_{air}_mm"] = unusual_bends(bends, list(table["group"]), minimum, air).round(3)
    z = directed_z(table, table["group"], minimum)
    compared = judged_against(table["group"], minimum)
    usual = _usual(table, compared)
    decided: list[dict[str, Any]] = []
    for place, scan in enumerate(scans):
        key = (scan.participant_id, scan.session_id)
        found = measured[key]
        findings = implausible(found.measures, fits.get(key, {}))
        if found.problem:
            findings.insert(0, Finding("review", "problem", f"could not be measured: {found.problem}"))
        values = {str(name): value for name, value in table.iloc[place].items()}
        far = {str(name): float(value) for name, value in z.iloc[place].items()}
        outcome = decide(findings, far, values, usual[compared.iloc[place]], config.quality.review_z, config.quality.reject_z)
        decided.append(
            {
                "decision": outcome.decision,
                "score": outcome.score,
                "reason": "; ".join(outcome.reasons),
                "protocol": "; ".join(deviations(scan, found.measures, protocol)),
                "compared_with": compared.iloc[place],
                "simulated": any(sidecar(image).get("SimulatedData") is True for image in images_of(scan).values()),
                "absent": "; ".join(f"{name}: {why}" for name, why in found.absent.items()),
            }
        )
    whole = pd.concat([table[["participant_id", "session_id"]], pd.DataFrame(decided)], axis=1)
    whole = pd.concat([whole.assign(**dict.fromkeys(VERDICT_COLUMNS, "")), table.drop(columns=["participant_id", "session_id"])], axis=1)
    return worst_first(with_verdicts(whole, derivatives))


def worst_first(table: pd.DataFrame) -> pd.DataFrame:
    """Rejected scans, then those to be reviewed, each by score from the worst."""
    rank = table["decision"].map({"reject": 0, "review": 1, "accept": 2}).fillna(3)
    order = table.assign(_rank=rank, _score=-table["score"]).sort_values(["_rank", "_score", "participant_id", "session_id"], kind="stable")
    return order.drop(columns=["_rank", "_score"]).reset_index(drop=True)


def _usual(table: pd.DataFrame, compared: pd.Series) -> dict[str, dict[str, float]]:
    """Median of every judged column, by whom scans are compared with."""
    import pandas as pd

    columns = [name for name in judged_columns() if name in table]
    numbers = table[columns].apply(pd.to_numeric, errors="coerce")
    everybody = {str(name): float(value) for name, value in numbers.median().items()}
    medians = {
        str(name): {str(column): float(value) for column, value in part.median().items()} for name, part in numbers.groupby(compared)
    }
    return {
        name: {column: part[column] if part[column] == part[column] else everybody[column] for column in part}
        for name, part in medians.items()
    } | ({"whole study": everybody})


def _sites(cohort: Cohort, column: str) -> dict[str, str]:
    people = cohort.participants
    if column not in people:
        return {}
    return {str(who): str(site) for who, site in zip(people["participant_id"], people[column], strict=True) if site == site and site}


def _group(scan: Scan, sites: dict[str, str]) -> str:
    """Site and scanner as far as they are known."""
    said: list[str] = [sites[scan.participant_id]] if scan.participant_id in sites else []
    for image in reversed(images_of(scan).values()):
        known = sidecar(image)
        scanner = " ".join(str(known[name]) for name in _SCANNER if known.get(name) not in (None, ""))
        if scanner:
            said.append(scanner)
            break
    return ", ".join(said) or "unknown scanner"


def _preprocessed(derivatives: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of preprocess.tsv by participant and session."""
    path = derivatives / "preprocess.tsv"
    if not path.is_file():
        return {}
    rows = read_tsv(path, text=("status", "reason")).to_dict("records")
    return {(str(row["participant_id"]), str(row["session_id"])): {str(name): value for name, value in row.items()} for row in rows}
