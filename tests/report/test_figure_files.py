"""Figure files: SVG that stands alone, beside a table with the numbers of metrics.json."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from dawson.errors import DawsonError
from dawson.files import read_json, read_tsv
from dawson.report.figure_files import FigureFile, file_name, write_figures
from dawson.report.figure_numbers import roc_numbers
from dawson.report.figure_svg import standalone
from dawson.report.study import write_study_report

Study = tuple[Path, Path]
INDIVIDUAL = {"patients", "channel-images", "gallery-MS", "gallery-NMOSD", "splits"}


@pytest.fixture(scope="module")
def figures(found_study: Study) -> Path:
    return found_study[0] / "figures"


def test_every_figure_has_an_svg_and_a_table(figures: Path, found_study: Study) -> None:
    index = read_tsv(figures / "index.tsv")
    assert {path.stem for path in figures.glob("*.svg")} == set(index["name"])
    assert {path.stem for path in figures.glob("*.tsv")} == {*index["name"], "index"}
    assert set(index.loc[index["individuals"], "name"]) == INDIVIDUAL
    page = (found_study[0] / "report.html").read_text()
    named = {int(number) for number in index["figure"]}
    assert named == set(range(1, max(named) + 1))
    assert f"<b>Figure {max(named)}." in page
    assert f"<b>Figure {max(named) + 1}." not in page


def test_an_svg_stands_alone(figures: Path) -> None:
    for path in figures.glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert float(root.get("width")) > 0
        assert float(root.get("height")) > 0
        for element in root.iter():
            for name, value in element.attrib.items():
                if name.endswith("href"):
                    assert value.startswith(("#", "data:"))


def test_the_tables_agree_with_metrics(figures: Path, found_study: Study) -> None:
    metrics = read_json(found_study[0] / "metrics.json")
    roc = read_tsv(figures / "roc.tsv")
    for name in ("fpr", "tpr", "low", "high"):
        np.testing.assert_allclose(roc[name], metrics["roc"][name])
    for name in ("auc", "accuracy", "npv"):
        table = read_tsv(figures / f"repeats-{name}.tsv", text=("kind", "repeat"))
        rows = table[table["kind"] == "repeat"]
        np.testing.assert_allclose(rows["estimate"], [row[name] for row in metrics["repeats"]])
        headline = table[table["kind"] == "patients"].iloc[0]
        assert headline["low"] == pytest.approx(metrics["headline"][name]["low"])
    assert not read_tsv(figures / "roc.tsv")["simulated"].any()


def test_the_tables_agree_with_the_findings(figures: Path, found_study: Study) -> None:
    trust, comparison = (read_json(found_study[0] / f"{name}.json") for name in ("trust", "comparison"))
    reliability = read_tsv(figures / "reliability.tsv")
    after = reliability[reliability["stage"] == "after"]
    np.testing.assert_allclose(after["observed"], [row["observed"] for row in trust["calibration"]["reliability"]["after"]])
    models = read_tsv(figures / "models.tsv")
    np.testing.assert_allclose(models["estimate"], [model["auc"]["estimate"] for model in comparison["models"].values()])
    benefit = read_tsv(figures / "net-benefit.tsv")
    np.testing.assert_allclose(benefit["lesion features"], comparison["net_benefit"]["models"]["lesion-features"])


def test_the_patients_and_the_slices_agree_with_their_sources(figures: Path, found_study: Study) -> None:
    predictions = read_tsv(found_study[0] / "predictions.tsv", text=("label",))
    patients = read_tsv(figures / "patients.tsv")
    assert len(patients) == predictions.loc[predictions["role"] == "test", "participant_id"].nunique()
    assert "participant_id" not in patients
    arrays = np.load(found_study[0] / "explanations.npz")
    table = read_tsv(figures / "contributions.tsv", text=("place",))
    bars = table[(table["class"] == "MS") & (table["kind"] == "slice")]
    np.testing.assert_allclose(bars["mean"], arrays["occlusion"][arrays["label"] == "MS"][:, 0].mean(axis=0), rtol=1e-5)


def test_figures_for_sharing_show_no_individual(figures: Path, found_study: Study) -> None:
    shared = figures.with_name("figures-shared")
    assert {path.stem for path in figures.glob("*.svg")} - {path.stem for path in shared.glob("*.svg")} == INDIVIDUAL
    people = list(read_tsv(found_study[1] / "participants.tsv")["participant_id"])
    for path in shared.iterdir():
        content = path.read_text()
        assert "data:image" not in content
        assert not any(who in content for who in people)
    assert "n" not in read_tsv(shared / "reliability.tsv")
    assert "scans" not in read_tsv(shared / "contributions.tsv")


def test_a_figure_for_sharing_that_names_somebody_is_refused(figures: Path, tmp_path: Path) -> None:
    svg = '<svg viewBox="0 0 4 4"><text>sub-P001</text></svg>'
    file = FigureFile("x", "x", "x", svg, roc_numbers({}))  # type: ignore[arg-type]
    with pytest.raises(DawsonError, match="figure x for sharing names sub-P001"):
        write_figures(tmp_path, [file], {}, False, True, {"sub-P001"})
    assert not (tmp_path / "figures-shared").exists()


def test_simulated_is_written_in_every_file(simulated_study: Study, constructed: dict[str, Callable[..., object]], tmp_path: Path) -> None:
    experiment = Path(shutil.copytree(simulated_study[0], tmp_path / "main"))
    constructed["write_findings"](experiment)
    write_study_report(experiment, simulated_study[1])
    for path in (experiment / "figures").glob("*.svg"):
        assert "simulated" in path.read_text().lower(), path.name
    for path in (experiment / "figures").glob("*.tsv"):
        assert read_tsv(path)["simulated"].all(), path.name


def test_a_figure_that_is_no_longer_drawn_does_not_stay(found_study: Study, tmp_path: Path) -> None:
    experiment = Path(shutil.copytree(found_study[0], tmp_path / "main"))
    assert (experiment / "figures" / "models.svg").exists()
    (experiment / "comparison.json").write_text(json.dumps({"reason": "none"}))
    write_study_report(experiment, found_study[1])
    assert not (experiment / "figures" / "models.svg").exists()


def test_the_note_on_simulated_patients_enlarges_the_picture_upwards() -> None:
    made = standalone('<svg viewBox="0 0 40 30" width="40pt" class="x"><path d="M0 0"/></svg>', True)
    root = ElementTree.fromstring(made)
    assert root.get("viewBox") == "0 -20 40 50"
    assert root.get("height") == "50"
    assert "class" not in root.attrib
    assert "Simulated patients" in made
    assert ElementTree.fromstring(standalone('<svg viewBox="0 0 40 30"/>'.replace("/>", "></svg>"), False)).get("height") == "30"


def test_a_class_name_makes_a_file_name() -> None:
    assert file_name("MOG / AD") == "MOG-AD"
    assert file_name("../..") == "class"
