"""The raters of a study: how each compares with the others, who repeats himself, who is apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.cohort.scan import Scan
from dawson.errors import CohortError, ConfigError, DawsonError
from dawson.files import write_json, write_tsv
from dawson.imaging.lesion_metrics import compare_masks
from dawson.imaging.staple import MARGIN_MM, METHODS, Method
from dawson.lesions.rater_dictionary import AGREEMENT, RATERS, SCANS
from dawson.lesions.rater_masks import any_simulated, find_rater_masks, read_affine, read_cropped, read_mask, spacing_of
from dawson.lesions.rater_outliers import judge_raters
from dawson.lesions.rater_scores import lesion_votes, score_raters
from dawson.parallel import each, resolve_jobs
from dawson.progress import progress

if TYPE_CHECKING:
    import pandas as pd

TABLE = "raters.tsv"
SCANS_TABLE = "rater_scans.tsv"
AGREEMENT_TABLE = "rater_agreement.tsv"


@dataclass(frozen=True)
class _ScanResult:
    """Rows of one scan: raters, repeated masks, marks of each lesion; or why there are none."""

    scan: Scan
    raters: tuple[dict[str, Any], ...] = ()
    votes: tuple[dict[str, Any], ...] = ()
    reason: str = ""


def rate_raters(
    scans: Sequence[Scan],
    roots: Sequence[Path],
    derivatives: Path,
    method: Method = "staple",
    jobs: int = 1,
    dask: str | None = None,
    seed: int = 0,
    margin_mm: float = MARGIN_MM,
) -> pd.DataFrame:
    """Compare the raters of a study with each other.

    Each rater's mask of a scan is held against the consensus of the other raters' masks of that scan, so that nobody is compared
    with his or her own vote.

    Parameters
    ----------
    scans : sequence of Scan
    roots : sequence of Path
        Derivative datasets that hold `desc-rater*` and `desc-expert*` lesion masks in template space.
    derivatives : Path
        `raters.tsv`, `rater_scans.tsv` (one row a rater and scan) and `rater_agreement.tsv` (the panel) go there, each with a
        dictionary.
    method : {"staple", "majority", "soft"}
        Consensus of the others.
    jobs, dask
        See `dawson.parallel.each`.
    seed : int
        Of the bootstrap over patients.
    margin_mm : float
        Room around the masks' box within which kappa counts.

    Returns
    -------
    DataFrame
        `raters.tsv`, the raters with the lowest Dice first. `attrs["failed"]` lists scans whose masks could not be used.

    Raises
    ------
    ConfigError
        There is no such method.
    CohortError
        No scan has usable masks by two raters.
    """
    import pandas as pd

    if method not in METHODS:
        raise ConfigError(f"There is no consensus by {method!r}.", f"Take one of {', '.join(METHODS)}.")
    shared = [scan for scan in scans if len(find_rater_masks(scan, roots).first) > 1]
    work = partial(_rate_scan, roots=tuple(roots), method=method, margin_mm=margin_mm)
    results: dict[Scan, _ScanResult] = {}
    with progress("Raters", len(shared)) as advance:
        for result in each(work, shared, min(resolve_jobs(jobs), max(1, len(shared))), dask):
            results[result.scan] = result
            advance(result.scan.entities)
    done = [results[scan] for scan in shared]
    failed = [f"{result.scan.entities}: {result.reason}" for result in done if result.reason]
    rows = pd.DataFrame([row for result in done for row in result.raters])
    if rows.empty:
        raise CohortError(
            f"No scan has usable lesion masks by two raters in template space.{' ' + failed[0] if failed else ''}",
            "Give each scan *_label-lesion_desc-raterLABEL_mask.nii.gz of two raters or more.",
        )
    table = summarise_raters(rows, seed)
    votes = pd.DataFrame([row for result in done for row in result.votes])
    agreement = panel_agreement(rows, votes, seed)
    more = {"Consensus": method, "MarginMM": margin_mm}
    for name, content, words in ((SCANS_TABLE, rows, SCANS), (AGREEMENT_TABLE, agreement, AGREEMENT), (TABLE, table, RATERS)):
        write_json((derivatives / name).with_suffix(".json"), {column: words[column] for column in content.columns} | {"Parameters": more})
        write_tsv(derivatives / name, content)
    table.attrs["failed"] = failed
    return table


def summarise_raters(rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """One row a rater from one row a rater and scan.

    Parameters
    ----------
    rows : DataFrame
        The columns of `rater_scans.tsv`.
    seed : int
        Of the bootstrap over patients (of Dice and lesion F1).
    """
    import pandas as pd

    verdicts = judge_raters(rows)
    found = []
    for rater, own in rows.groupby("rater"):
        verdict = verdicts[str(rater)]
        difference = own["volume_ml"] - own["others_ml"]
        small = int(own["n_small"].sum())
        found.append(
            {
                "rater": rater,
                "n_scans": len(own),
                "n_participants": own["participant_id"].nunique(),
                **_mean_interval(own, "dice", seed),
                **_mean_interval(own, "lesion_f1", seed),
                "lesion_recall": own["lesion_recall"].mean(),
                "lesion_precision": own["lesion_precision"].mean(),
                "volume_bias_ml": difference.mean(),
                "volume_bias_percent": 100 * difference.sum() / own["others_ml"].sum() if own["others_ml"].sum() else np.nan,
                "outline_bias_mm": own["outline_bias_mm"].mean(),
                "missed_per_scan": own["n_missed"].mean(),
                "missed_small_share": own["n_missed_small"].sum() / small if small else np.nan,
                "false_per_scan": own["n_false"].mean(),
                "staple_sensitivity": own["staple_sensitivity"].mean(),
                "staple_specificity": own["staple_specificity"].mean(),
                "kappa": own["kappa"].mean(),
                "n_repeated": int(own["repeat_dice"].notna().sum()),
                "repeat_dice": own["repeat_dice"].mean(),
                "repeat_lesion_f1": own["repeat_lesion_f1"].mean(),
                "repeat_volume_difference_ml": own["repeat_volume_difference_ml"].abs().mean(),
                "outlier": verdict.outlier,
                "outlier_z": verdict.z,
                "reason": verdict.reason,
                "simulated": bool(own["simulated"].any()),
            }
        )
    return pd.DataFrame(found).sort_values(["dice", "rater"], kind="stable", ignore_index=True)


def panel_agreement(rows: pd.DataFrame, votes: pd.DataFrame, seed: int = 0, n_bootstraps: int = 1000) -> pd.DataFrame:
    """How far the raters as a panel agree: Krippendorff's alpha of which lesions there are, ICC(2,1) of the volumes.

    Parameters
    ----------
    rows : DataFrame
        See `summarise_raters`.
    votes : DataFrame
        One row a lesion that at least one rater marked: participant_id, and for each rater 1, 0, or NaN for a scan he or she did not
        rate.

    Returns
    -------
    DataFrame
        figure, estimate, low, high, method, n (lesions or scans), participants.
    """
    import pandas as pd

    from dawson.statistics.agreement import agreement_interval, krippendorff_alpha
    from dawson.statistics.volume_agreement import icc_interval

    found = []
    if len(votes):
        marks = votes.drop(columns="participant_id").to_numpy(float)
        alpha = agreement_interval(krippendorff_alpha, marks, votes["participant_id"].to_numpy(str), n_bootstraps, seed)
        found.append(("krippendorff_alpha_lesions", alpha, len(votes), votes["participant_id"].nunique()))
    volumes = rows.pivot_table(index=["participant_id", "session_id"], columns="rater", values="volume_ml", aggfunc="first").dropna()
    if len(volumes) > 1:
        who = volumes.index.get_level_values("participant_id").to_numpy(str)
        found.append(("icc_2_1_volume", icc_interval(volumes.to_numpy(float), who, n_bootstraps, seed), len(volumes), len(set(who))))
    columns = ["figure", "estimate", "low", "high", "method", "n", "participants"]
    return pd.DataFrame([(name, one.estimate, one.low, one.high, one.method, n, people) for name, one, n, people in found], columns=columns)


def _rate_scan(scan: Scan, roots: tuple[Path, ...], method: Method, margin_mm: float) -> _ScanResult:
    found = find_rater_masks(scan, roots)
    try:
        paths = list(found.first.values())
        cropped, affine = read_cropped(paths, margin_mm)
        spacing = spacing_of(affine)
        scores = score_raters(cropped, list(found.first), spacing, method)
        again = {rater: _repeated(found.first[rater], path) for rater, path in found.again.items()}
    except DawsonError as error:
        return _ScanResult(scan, reason=str(error))
    except (OSError, ValueError, RuntimeError) as error:
        # one bad scan never stops a study; SimpleITK raises RuntimeError
        return _ScanResult(scan, reason=f"{type(error).__name__}: {error}")
    key = {"participant_id": scan.participant_id, "session_id": scan.session_id}
    none = {"repeat_dice": np.nan, "repeat_lesion_f1": np.nan, "repeat_volume_difference_ml": np.nan}
    rows = [
        {**key, **asdict(score), **again.get(score.rater, none), "simulated": any_simulated([found.first[score.rater]])} for score in scores
    ]
    votes: list[dict[str, Any]] = [
        {"participant_id": scan.participant_id, **dict(zip(found.first, map(float, marks), strict=True))} for marks in lesion_votes(cropped)
    ]
    return _ScanResult(scan, tuple(rows), tuple(votes))


def _repeated(first: Path, again: Path) -> dict[str, float]:
    """Agreement of a rater with himself or herself."""
    one, affine = read_mask(first)
    two, _ = read_mask(again)
    if two.shape != one.shape or not np.allclose(read_affine(again), affine, atol=1e-3):
        raise CohortError(f"{again} lies on another grid than {first.name}.", "Resample it onto the template's grid.")
    found = compare_masks(two, one, spacing_of(affine))
    return {
        "repeat_dice": found.dice,
        "repeat_lesion_f1": found.lesion_f1,
        "repeat_volume_difference_ml": found.volume_difference_ml,
    }


def _mean_interval(own: pd.DataFrame, column: str, seed: int) -> dict[str, float]:
    from dawson.statistics.agreement import agreement_interval

    people = own["participant_id"].to_numpy(str)
    values = own[column].to_numpy(float)
    if len(set(people)) < 2:
        return {column: float(values.mean()), f"{column}_low": np.nan, f"{column}_high": np.nan}
    interval = agreement_interval(lambda rows: float(np.mean(rows)), values, people, 1000, seed)
    return {column: interval.estimate, f"{column}_low": interval.low, f"{column}_high": interval.high}
