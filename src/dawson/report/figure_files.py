"""Every figure of a report as a file of its own: NAME.svg, and its numbers as NAME.tsv."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dawson.files import write_text, write_tsv
from dawson.report.figure_numbers import (
    case_numbers,
    contribution_numbers,
    example_numbers,
    flow_numbers,
    repeats_numbers,
    roc_numbers,
    split_numbers,
    training_numbers,
)
from dawson.report.figure_svg import case_svg, contribution_svg, example_svg, standalone
from dawson.report.formatting import FIGURES, NAMES
from dawson.report.sharing import refuse_individuals

if TYPE_CHECKING:
    from markupsafe import Markup

    from dawson.report.experiment import Experiment
    from dawson.report.flow import Step

FOLDER, SHARED_FOLDER, INDEX = "figures", "figures-shared", "index.tsv"
_CURVES = {"training-loss": ("train_loss", "validation_loss"), "training-auc": ("validation_auc",)}
_FINDINGS = {
    "reliability": "Reliability before and after calibration",
    "risk-coverage": "Error by the share of patients answered",
    "models": "AUC of each model",
    "net-benefit": "Net benefit by threshold",
    "subgroups": "AUC by group of patients",
    "learning-curve": "Performance by number of training patients",
}


@dataclass(frozen=True)
class FigureFile:
    """A figure to be written.

    Parameters
    ----------
    name : str
        Of the two files.
    figure : str
        Of the figure of the page that it is or is a part of.
    shows : str
    svg : Markup
    numbers : DataFrame
    individuals : bool
        Whether single people can be seen in it.
    """

    name: str
    figure: str
    shows: str
    svg: Markup
    numbers: pd.DataFrame
    individuals: bool = False


def figure_files(run: Experiment, context: Mapping[str, Any], steps: Sequence[Step]) -> list[FigureFile]:
    """The figures of a page with their numbers, in the page's order.

    Parameters
    ----------
    run : Experiment
    context : mapping
        What the page was rendered from.
    steps : sequence of Step
        Of the flow diagram.
    """
    metrics, share, slices_mm = run.metrics, bool(context["share"]), run.config.preprocess.slices_mm
    files = [FigureFile("flow", "flow", "Flow of patients", context["flow"], flow_numbers(steps))]
    if context["roc"]:
        files.append(FigureFile("roc", "roc", "ROC curve with its band", context["roc"], roc_numbers(metrics)))
    tables = {name: table for name in FIGURES if not (table := repeats_numbers(metrics, name)).empty}
    for (name, table), svg in zip(tables.items(), context["distributions"], strict=True):
        files.append(FigureFile(f"repeats-{name}", "repeats", f"{NAMES[name]} in every test set", svg, table))
    if context["patients"]:
        numbers = context["patient_means"][["label", "probability"]]
        files.append(FigureFile("patients", "patients", "Probability of every test patient", context["patients"], numbers, True))
    for svg in context["training"]:
        name = next(curve for curve in _CURVES if f'id="{curve}-' in svg)
        files.append(FigureFile(name, "training", "Training curves", svg, training_numbers(run.runs, _CURVES[name])))
    for name, shows in _FINDINGS.items():
        if context["figures"].get(name):
            files.append(FigureFile(name, name, shows, context["figures"][name], context["figure_tables"][name]))
    if examples := context["examples"]:
        svg = example_svg(examples, slices_mm)
        files.append(FigureFile("channel-images", "channel-images", "Channel images", svg, example_numbers(examples), True))
    note = "simulated" if context["simulated"] else ""
    items = context["contributions"]
    if contributed := contribution_svg(items, slices_mm, context["colours"], note):
        numbers = contribution_numbers(items, slices_mm, share)
        files.append(FigureFile("contributions", "contributions", "Mean explanation by class", contributed, numbers))
    for label, cases in context["cases"].items():
        if cases:
            svg, numbers = case_svg(cases, slices_mm), case_numbers(cases, slices_mm)
            files.append(FigureFile(f"gallery-{file_name(label)}", "gallery", f"Calls of true {label}", svg, numbers, True))
    if context["splits_picture"]:
        files.append(
            FigureFile("splits", "splits", "Who was tested when", context["splits_picture"], split_numbers(run.splits), individuals=True)
        )
    return files


def file_name(text: str) -> str:
    """A class name as a part of a file name.

    Examples
    --------
    >>> file_name("MOG / AD")
    'MOG-AD'
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-") or "class"


def write_figures(
    folder: Path,
    files: Sequence[FigureFile],
    numbers: Mapping[str, int],
    simulated: bool,
    share: bool,
    identifiers: Collection[str] = (),
) -> Path:
    """Write the figures anew, with an index.

    Parameters
    ----------
    folder : Path
        Of the experiment.
    files : sequence of FigureFile
        With `share`, those in which individuals can be seen are left out.
    numbers : mapping of str to int
        Number of each figure in the page.
    simulated, share : bool
    identifiers : collection of str
        Of all people, who must not be named with `share`.

    Returns
    -------
    Path
        The folder of the figures.

    Raises
    ------
    DawsonError
        A file for sharing would name somebody; none is written.
    """
    kept = [file for file in files if not (share and file.individuals)]
    for file in kept if share else ():
        refuse_individuals(f"{file.svg}\n{file.numbers.to_csv()}", identifiers, f"The figure {file.name} for sharing")
    out = folder / (SHARED_FOLDER if share else FOLDER)
    # What an earlier report drew and this one does not would stay and mislead.
    shutil.rmtree(out, ignore_errors=True)
    for file in kept:
        write_text(out / f"{file.name}.svg", standalone(str(file.svg), simulated))
        write_tsv(out / f"{file.name}.tsv", file.numbers.assign(simulated=simulated))
    index = pd.DataFrame(
        {
            "name": [file.name for file in kept],
            "figure": [numbers.get(file.figure, "") for file in kept],
            "shows": [file.shows for file in kept],
            "individuals": [file.individuals for file in kept],
            "simulated": simulated,
        }
    )
    write_tsv(out / INDEX, index)
    return out
