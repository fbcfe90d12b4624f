"""A model reads new scans: one pair of files, or every scan of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.classification import explain
from dawson.classification.certainty import Certainty, member_features, member_figures, read_certainty
from dawson.classification.contents import CONTRASTS, scan_contents
from dawson.classification.images import CHANNELS_NAME, read_stack
from dawson.classification.model import Model
from dawson.classification.networks import architecture
from dawson.classification.training import softmax
from dawson.cohort.consent import refuse_unpermitted
from dawson.cohort.scan import Scan
from dawson.errors import CohortError, DawsonError, ImageError, LeakageError, PreprocessingError
from dawson.files import atomic_path, read_tsv, sha256, write_json, write_tsv
from dawson.parallel import resolve_jobs
from dawson.preprocess.batch import preprocess_cohort
from dawson.preprocess.scan import is_simulated

if TYPE_CHECKING:
    import pandas as pd

    from dawson.cohort.dataset import Cohort

QUALITY = ("source", "wm_dice", "template_correlation", "flair_t1w_overlap", "min_jacobian", "seconds")
WITHHELD = (
    "The model learnt from simulated patients, and this scan is not marked as simulated: no probability is shown. "
    "--allow-simulated shows it, under a red banner."
)


def predict_pair(model: Model, t1w: Path | None, flair: Path, out: Path, *, name: str = "patient", allow_simulated: bool = False) -> Path:
    """Preprocess and read one patient's scan.

    Parameters
    ----------
    model : Model
    t1w : Path or None
        Without it the FLAIR is registered by itself.
    flair : Path
    out : Path
        Folder for prediction.json, explanation.npz and the derivatives.
    name : str
        What the patient is called in the results.
    allow_simulated : bool
        Show what a model of simulated patients says about a real scan.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    LeakageError
        The scan is one on which the model was trained, as far as its manifest is at hand.
    ImageError
        An input file is not there.
    ConsentError
        A file lies in a study in which its person may not be used.
    PreprocessingError
        The scan could not be brought to template space; the message says why.
    """
    for path in (t1w, flair):
        if path is not None and not path.is_file():
            raise ImageError(path, "is not there.", "Check the path.")
        if path is not None:
            refuse_unpermitted(path, "predict")
    person = "sub-" + ("".join(letter for letter in name.removeprefix("sub-") if letter.isalnum()) or "patient")
    scan = Scan(person, "", t1w.absolute() if t1w else None, flair.absolute())
    derivatives = out / "derivatives" / "dawson"
    refuse_training_people(model, [scan], derivatives, 1)
    rows = preprocess_cohort([scan], flair.absolute().parent, derivatives, model.preprocess, jobs=1)
    row = rows[rows["participant_id"] == person].iloc[-1]
    if row["status"] != "done":
        raise PreprocessingError(f"{flair}: {row['reason']}")
    reading = Reading(model, model.networks(), read_certainty(model), allow_simulated)
    _write(reading, scan, derivatives, dict(zip(rows.columns, row, strict=True)), out)
    return out


def predict_cohort(
    model: Model,
    cohort: Cohort,
    out: Path,
    *,
    participants: Sequence[str] = (),
    allow_simulated: bool = False,
    jobs: int = 0,
    dask: str | None = None,
) -> pd.DataFrame:
    """Read every scan of a cohort; a scan that fails becomes a row with its reason.

    Parameters
    ----------
    model : Model
    cohort : Cohort
    out : Path
        Gets predictions.tsv, derivatives, and a folder for each scan.
    participants : sequence of str
        Only these; empty means all.
    allow_simulated : bool
        As in `predict_pair`.
    jobs, dask
        For the preprocessing.

    Returns
    -------
    DataFrame
        participant_id, session_id, status, reason, predicted, probability_CLASS, sd_CLASS; and where the model carries what it
        needs calibrated_CLASS, answer (a class or "cannot tell") and unusual (why, empty where the scan is not).

    Raises
    ------
    LeakageError
        Somebody was in the training of the model, as far as its manifest is at hand: the prediction would be no prediction.
    CohortError
        A name in `participants` is not in the cohort, or there is nothing to read.
    """
    import pandas as pd

    present = [scan for scan in cohort.scans if scan.t1w or scan.flair]
    scans = [scan for scan in present if not participants or scan.participant_id in participants]
    if unknown := sorted(set(participants) - set(cohort.participants["participant_id"])):
        raise CohortError(f"{', '.join(unknown)} not in participants.tsv of {cohort.root}.", "Check the spelling of --participant.")
    if not scans:
        raise CohortError(f"{cohort.root} has no scan to read.", "Run `dawson cohort validate` to see why.")
    derivatives = out / "derivatives" / "dawson"
    refuse_training_people(model, scans, derivatives, resolve_jobs(jobs))
    rows = preprocess_cohort(scans, cohort.root, derivatives, model.preprocess, jobs=resolve_jobs(jobs), dask=dask)
    records = [dict(zip(rows.columns, values, strict=True)) for values in rows.itertuples(index=False, name=None)]
    outcome = {(row["participant_id"], row["session_id"]): row for row in records}
    reading = Reading(model, model.networks(), read_certainty(model), allow_simulated)
    table = []
    for scan in scans:
        row = outcome[scan.participant_id, scan.session_id]
        entry: dict[str, Any] = {
            "participant_id": scan.participant_id, "session_id": scan.session_id, "status": row["status"], "reason": row["reason"],
        }  # fmt: skip
        if row["status"] == "done":
            try:
                written = _write(reading, scan, derivatives, row, out / scan.entities)
            except (DawsonError, ValueError) as error:
                entry |= {"status": "failed", "reason": str(error)}
            else:
                entry |= {"predicted": written["predicted"] or "", "reason": written["withheld"] or ""}
                for label, figures in (written["probability"] or {}).items():
                    entry |= {f"probability_{label}": figures["mean"], f"sd_{label}": figures["sd"]}
                if said := written["certainty"]:
                    if said["temperature"] is not None:
                        entry |= {f"calibrated_{label}": figures["mean"] for label, figures in said["probability"].items()}
                    entry["answer"] = said["set"]["answer"] if said["set"] else ""
                if written["familiarity"]:
                    entry["unusual"] = "; ".join(written["familiarity"]["reasons"])
        table.append(entry)
    result = pd.DataFrame(table)
    write_tsv(out / "predictions.tsv", result)
    return result


def refuse_training_people(model: Model, scans: Sequence[Scan], derivatives: Path, jobs: int) -> None:
    """Refuse scans of people on whom a model was trained, as far as its manifest is at hand.

    Pseudonyms repeat between studies, images do not: a person is known by an image of the training set, and the pseudonyms count
    as well once any image shows that this is the study of the training set.

    Raises
    ------
    LeakageError
    """
    if not model.manifest.exists():
        return
    table = read_tsv(model.manifest)
    names = set(table["participant_id"])
    images = {contrast: set(table[contrast].dropna()) - {""} for contrast in CONTRASTS}
    contents = scan_contents(scans, derivatives, jobs)
    known = {person for (person, _), found in contents.items() if any(found[contrast] in images[contrast] for contrast in CONTRASTS)}
    both = sorted(known | ({scan.participant_id for scan in scans} & names if known else set()))
    if both:
        shown = ", ".join(both[:5]) + (f" and {len(both) - 5} more" if len(both) > 5 else "")
        raise LeakageError(
            f"Model {model.name} was trained on {shown}: what it says of them is no prediction.",
            "Read other people; the out-of-sample results of these are in the experiment's predictions.tsv.",
        )


@dataclass(frozen=True)
class Reading:
    """A model ready to read scans.

    Parameters
    ----------
    model : Model
    networks : sequence of torch.nn.Module
        Its members.
    certainty : Certainty or None
        None for a model that carries no calibration.
    allow_simulated : bool
        Show what a model of simulated patients says about a real scan.
    """

    model: Model
    networks: Sequence[Any]
    certainty: Certainty | None
    allow_simulated: bool


def _write(reading: Reading, scan: Scan, derivatives: Path, row: Mapping[str, Any], out: Path) -> dict[str, Any]:
    from dawson.classification.experiment import environment

    model, networks, certainty = reading.model, reading.networks, reading.certainty
    image = read_stack([scan.derivative(derivatives, CHANNELS_NAME)])
    withheld = model.simulated and not reading.allow_simulated and not is_simulated(scan.flair)
    logits = model.member_logits(networks, image)[:, 0]
    probability = member_figures(softmax(logits), model.classes)
    sure = certainty.of_scan(logits.astype(np.float64)) if certainty else None
    # Members that are tempered first may average to another class where they nearly balance: the page must not contradict itself.
    shown = sure["probability"] if sure else probability
    winner = int(np.argmax([shown[label]["mean"] for label in model.classes]))
    quality = {name: _plain(row.get(name)) for name in QUALITY}
    described = model.description
    software = environment()
    result: dict[str, Any] = {
        "participant": scan.participant_id, "session": scan.session_id,
        "inputs": {name: {"file": path.name, "sha256": sha256(path)} for name, path in (("t1w", scan.t1w), ("flair", scan.flair)) if path},
        "simulated_scan": is_simulated(scan.flair),
        "model": {
            "name": model.name, "classes": list(model.classes), "positive": described["positive"],
            "trained_on": described["trained_on"], "performance": described["performance"]["figures"], "digest": model.digest,
        },
        "probability": None if withheld else probability, "withheld": WITHHELD if withheld else None,
        "predicted": None if withheld else model.classes[winner], "certainty": None if withheld else sure,
        "familiarity": certainty.judge(member_features(model, networks, image), quality) if certainty else None,
        "quality": quality, "allow_simulated": reading.allow_simulated,
        "software": software, "created": software["created"], "research_use_only": True,
    }  # fmt: skip
    explanation = _explain(model, networks, image, winner)
    if withheld:
        explanation = {"image": explanation["image"]}
    with atomic_path(out / "explanation.npz") as temporary:
        np.savez_compressed(temporary, allow_pickle=False, slices_mm=np.array(model.preprocess.slices_mm), **explanation)
    write_json(out / "prediction.json", result)
    return result


def _explain(model: Model, networks: Sequence[Any], image: np.ndarray, winner: int) -> dict[str, np.ndarray]:
    layer = architecture(model.training.network).gradcam_layer
    pairs = list(zip(networks, model.member_images(image), strict=True))
    grid = np.mean([explain.grad_cam(network, seen, layer, len(model.classes))[0] for network, seen in pairs], axis=0)
    target = np.array([winner])
    return {
        "image": image[0], "gradcam_grid": grid, "gradcam": explain.upsample(grid, image.shape[-2:]),
        "occlusion": np.mean([explain.occlusion(network, seen)[0] for network, seen in pairs], axis=0),
        "attribution": np.mean([explain.integrated_gradients(network, seen, target)[0] for network, seen in pairs], axis=0),
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
