"""What is said of a simulated cohort: hand-made folders with known frequencies, volumes and maps."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dawson.errors import CohortError
from dawson.files import read_tsv, write_json, write_tsv
from dawson.imaging.template import TEMPLATE_SPACE, template_image
from dawson.report.simulation import write_cohort_description
from dawson.report.simulation_figures import MAP_SLICES_MM, map_strip
from dawson.simulation.describe import CohortDescription, describe_cohort
from dawson.simulation.frequencies import frequency_table
from dawson.simulation.lesion_maps import LEAST_LESION_MM3, agreement, lesion_map, measure_masks
from dawson.simulation.profiles import load_profile
from dawson.simulation.real_lesions import read_real
from dawson.simulation.written_cohort import read_simulated
from dawson.statistics.proportions import exact_binomial

Row = dict[str, Any]
Visit = tuple[float, str, Sequence[Row]]
"""Years since the first scan, clinical state, rows of the lesion table."""

COLUMNS = ("number", "kind", "findings", "x_mm", "y_mm", "z_mm", "volume_ml", "previous_volume_ml", "change", "brightness", "black_hole")


def row(kind: str, findings: str = "n/a", volume_ml: float = 0.5, change: str = "baseline", number: int = 1) -> Row:
    values = (number, kind, findings, 20.0, -20.0, 25.0, volume_ml, None, change, 0.8, False)
    return dict(zip(COLUMNS, values, strict=True))


def mask_file(path: Path, boxes: Sequence[tuple[tuple[float, float, float], int]], affine: np.ndarray, shape: Sequence[int]) -> None:
    """Write cubes, each given by the template coordinates of its centre and its side in voxels."""
    mask = np.zeros(tuple(shape), np.uint8)
    for centre, side in boxes:
        start = np.rint(np.linalg.inv(affine)[:3] @ [*centre, 1]).astype(int) - side // 2
        mask[tuple(slice(begin, begin + side) for begin in start)] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(mask, affine), path)


def write_cohort(
    folder: Path,
    people: Sequence[tuple[str, Sequence[Visit]]],
    boxes: Sequence[tuple[tuple[float, float, float], int]] = (((20, -20, 25), 8),),
    space: str = "template",
    masks: bool = True,
) -> Path:
    """Write what a simulated cohort leaves: tables, and the same mask for every first scan that has lesions."""
    name = f"space-{TEMPLATE_SPACE}" if space == "template" else "space-T1w"
    affine = np.asarray(template_image(1.0).affine) if space == "template" else np.diag([1.0, 1.0, 3.0, 1.0])
    shape = template_image(1.0).shape if space == "template" else (60, 60, 30)
    write_json(folder / "code" / "simulation.json", {"SimulatedData": True, "parameters": {"profile": "korea", "space": space}})
    write_tsv(
        folder / "participants.tsv",
        pd.DataFrame({"participant_id": [f"sub-{i:03d}" for i in range(len(people))], "diagnosis": [label for label, _ in people]}),
    )
    for index, (_, visits) in enumerate(people):
        who = f"sub-{index:03d}"
        sessions = [
            {"session_id": f"ses-{number}", "days_from_baseline": round(365.25 * years), "clinical_status": status}
            for number, (years, status, _) in enumerate(visits, start=1)
        ]
        write_tsv(folder / who / f"{who}_sessions.tsv", pd.DataFrame(sessions))
        for number, (*_, rows) in enumerate(visits, start=1):
            start = folder / "derivatives" / "dawson" / who / f"ses-{number}" / "anat" / f"{who}_ses-{number}"
            write_tsv(start.with_name(f"{start.name}_desc-sim_lesions.tsv"), pd.DataFrame(rows, columns=list(COLUMNS)))
            if masks and number == 1:
                there = boxes if rows else ()
                mask_file(start.with_name(f"{start.name}_{name}_label-lesion_desc-sim_mask.nii.gz"), there, affine, shape)
    return folder


def person(diagnosis: str, *rows: Row, status: str = "remission") -> tuple[str, Sequence[Visit]]:
    return diagnosis, [(0.0, status, rows)]


def found_row(table: pd.DataFrame, **wanted: object) -> pd.Series:
    chosen = table
    for column, value in wanted.items():
        chosen = chosen[chosen[column] == value]
    assert len(chosen) == 1, (wanted, len(chosen))
    return chosen.iloc[0]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people with MS, one of them followed up, two with NMOSD, one of them without lesions."""
    finger, dot = row("dawson_finger", "dawson_finger,periventricular"), row("punctate", "punctate", 0.02, number=2)
    later = [
        row("dawson_finger", "dawson_finger,periventricular", 0.7, "enlarging"),
        row("punctate", "punctate", 0.0, "resolved", number=2),
        row("deep_white", "n/a", 0.3, "new", number=3),
    ]
    people = [
        ("MS", [(0.0, "relapse", [finger, dot]), (2.0, "remission", later)]),
        person("MS", dot),
        person("NMOSD", row("linear_third", "linear_ependymal,specific")),
        person("NMOSD"),
    ]
    return write_cohort(tmp_path_factory.mktemp("small") / "cohort", people)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four real-looking masks on the grid of another template, whose first axis runs from left to right."""
    folder = tmp_path_factory.mktemp("real") / "expert"
    affine = np.array([[-1.0, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]])
    for number in range(1, 5):
        boxes = [((20.0, -20.0 + number, 25.0), 8), ((-24.0, 10.0, 20.0), 2), ((30.0, 30.0, 30.0), 1)]
        mask_file(folder / f"sub-{number}" / f"sub-{number}_space-MNI152_label-lesion_mask.nii.gz", boxes, affine, (182, 218, 182))
    mask_file(folder / "sub-1" / "sub-1_space-common_label-lesionchange_mask.nii.gz", [], affine, (20, 20, 20))
    write_tsv(folder / "participants.tsv", pd.DataFrame({"participant_id": [f"sub-{n}" for n in range(1, 5)], "diagnosis": "MS"}))
    write_json(folder / "dataset_description.json", {"Name": "Four patients"})
    return folder


@pytest.fixture(scope="module")
def described(small: Path, real: Path) -> CohortDescription:
    return describe_cohort(small, real)


def test_frequencies_are_counted_in_patients_at_their_first_scan(small: Path) -> None:
    table = frequency_table(read_simulated(small))
    finger = found_row(table, diagnosis="MS", name="dawson_finger", status="")
    assert (finger["count"], finger["n"]) == (1, 2)
    assert finger["published"] == load_profile("korea").classes["MS"].findings["dawson_finger"].share
    assert (finger["low"], finger["high"]) == (exact_binomial(1, 2).low, exact_binomial(1, 2).high)
    assert found_row(table, diagnosis="NMOSD", what="normal")["count"] == 1
    assert found_row(table, diagnosis="MS", name="matthews")["count"] == 1


def test_a_share_far_from_the_published_one_does_not_fit_and_a_near_one_does(tmp_path: Path) -> None:
    profile = load_profile("korea").classes["MS"]
    share = profile.findings["dawson_finger"].share
    n = 100
    near = round(n * share)
    tables = {}
    for count in (near, near - 40):
        people = [person("MS", row("dawson_finger", ",".join(profile.ancestry("dawson_finger"))))] * count
        folder = write_cohort(tmp_path / str(count), people + [person("MS", row("deep_white"))] * (n - count), masks=False)
        tables[count] = found_row(frequency_table(read_simulated(folder)), name="dawson_finger")
    assert tables[near]["fits"]
    assert not tables[near - 40]["fits"]


def test_p_values_are_adjusted_over_the_whole_table(small: Path) -> None:
    table = frequency_table(read_simulated(small))
    order = table["p_value"].sort_values()
    lowest = order.index[0]
    assert table.loc[lowest, "p_holm"] == pytest.approx(min(1.0, order.notna().sum() * order.iloc[0]))


def test_a_finding_of_the_clinical_state_is_counted_by_state(tmp_path: Path) -> None:
    name, finding = load_profile("korea").classes["NMOSD"].status_finding or ("", None)
    assert finding is not None
    shows = row("linear_third", name)
    people = [person("NMOSD", shows, status="relapse")] * 3 + [person("NMOSD", status="relapse"), person("NMOSD", shows), person("NMOSD")]
    table = frequency_table(read_simulated(write_cohort(tmp_path, people, masks=False)))
    relapse = found_row(table, diagnosis="NMOSD", name=name, status="relapse")
    assert (relapse["count"], relapse["n"], relapse["published"]) == (3, 4, finding.relapse)
    assert found_row(table, diagnosis="NMOSD", name=name, status="remission")["share"] == 0.5


def test_counts_and_volumes_per_patient(described: CohortDescription) -> None:
    found = described
    lesions = found_row(found.loads, diagnosis="MS", quantity="lesions")
    assert (lesions["n"], lesions["median"], lesions["min"], lesions["max"]) == (2, 1.5, 1, 2)
    assert lesions["published_mean"] == load_profile("korea").classes["MS"].lesions.mean
    assert found_row(found.loads, diagnosis="MS", quantity="volume_ml")["median"] == pytest.approx(0.512)
    assert found_row(found.loads, diagnosis="NMOSD", quantity="volume_ml")["min"] == 0
    assert found_row(found.loads, diagnosis="NMOSD", quantity="components")["max"] == 1


def test_changes_are_rates_a_year(described: CohortDescription) -> None:
    table = described.changes
    new = found_row(table, diagnosis="MS", change="new")
    assert (new["events"], new["exposure"]) == (1, pytest.approx(2.0, abs=0.01))
    assert new["rate"] == pytest.approx(0.5, rel=0.01)
    # one of two lesions in two years: 1 - (1 - s)^2 = 1/2
    for change in ("enlarging", "resolved"):
        assert found_row(table, diagnosis="MS", change=change)["rate"] == pytest.approx(1 - np.sqrt(0.5), rel=0.01)
    assert found_row(table, diagnosis="MS", change="volume_ml")["rate"] == pytest.approx((1.0 - 0.52) / 2, rel=0.01)
    assert "NMOSD" not in set(table["diagnosis"])


def test_the_map_is_the_share_of_patients_at_each_place(described: CohortDescription) -> None:
    found = described.maps
    assert found["MS"].n == 2
    assert found["MS"].mean.max() == pytest.approx(1.0)
    assert found["NMOSD"].mean.max() == pytest.approx(0.5)
    # a lattice point stands for 8 mm3
    assert found["MS"].mean.sum() * 8 == pytest.approx(8**3)


def test_cohorts_in_native_space_have_volumes_but_no_maps(tmp_path: Path) -> None:
    folder = write_cohort(tmp_path, [person("MS", row("deep_white"))], boxes=(((20, 20, 30), 4),), space="native")
    found = describe_cohort(folder)
    assert found.maps == {}
    assert found.patients["volume_ml"].tolist() == pytest.approx([4**3 * 3 / 1000])


def test_real_masks_are_put_on_the_templates_grid(described: CohortDescription) -> None:
    known = described.real
    assert known is not None
    assert (known.name, known.diagnosis, known.map.n) == ("Four patients", "MS", 4)
    np.testing.assert_allclose(known.volumes_ml, (8**3 + 2**3 + 1) / 1000)
    assert LEAST_LESION_MM3 == 3
    assert known.components.tolist() == [2, 2, 2, 2]
    # the lesion that nearly all have, simulated and real, is at one place
    assert described.agreements["MS"].estimate > 0.9


def test_maps_with_lesions_elsewhere_do_not_agree(tmp_path: Path, real: Path) -> None:
    cohort = write_cohort(tmp_path, [person("MS", row("brainstem"))], boxes=(((0, -25, -35), 8),))
    found = describe_cohort(cohort).maps["MS"]
    assert abs(agreement(found, read_real(real).map).estimate) < 0.05


def test_the_interval_of_the_correlation_holds_the_correlation_and_narrows_with_patients(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    affine, shape = np.asarray(template_image(1.0).affine), template_image(1.0).shape
    paths = []
    for index in range(20):
        paths.append(tmp_path / f"{index}.nii.gz")
        mask_file(paths[-1], [(tuple(rng.normal((20, -20, 25), 8)), 8) for _ in range(4)], affine, shape)
    masks = measure_masks(paths, in_template=True)
    few, many = (agreement(lesion_map(masks[:n]), lesion_map(masks[10 : 10 + n])) for n in (4, 10))
    for one in (few, many):
        assert one.low < one.estimate < one.high
    assert many.high - many.low < few.high - few.low


def test_too_few_real_masks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="at least two"):
        read_real(tmp_path)


def test_a_folder_that_is_no_simulated_cohort_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no simulated cohort"):
        describe_cohort(tmp_path)


def test_the_page_its_table_and_its_json(small: Path, described: CohortDescription) -> None:
    page = write_cohort_description(small, described=described)
    assert page == small / "derivatives" / "dawson" / "description" / "index.html"
    text = page.read_text()
    for said in ("Simulated data.", "Research use only.", "Dawson finger", "Four patients", "8 mm full width at half maximum"):
        assert said in text
    summary = json.loads((page.parent / "description.json").read_text())
    assert summary["SimulatedData"] is True
    assert summary["real"]["correlation"]["MS"]["estimate"] > 0.9
    table = read_tsv(page.parent / "frequencies.tsv")
    assert len(table) == len(summary["frequencies"])


def test_the_map_of_real_patients_is_drawn_only_when_asked_for(small: Path, described: CohortDescription, tmp_path: Path) -> None:
    pages = [write_cohort_description(small, out=tmp_path / str(flag), show_real_map=flag, described=described) for flag in (False, True)]
    plain, shown = (page.read_text() for page in pages)
    assert plain.count('<img class="strip"') == 2
    assert shown.count('<img class="strip"') == 3
    assert "sub-1" not in shown
    assert not list((tmp_path / "True").rglob("*.nii*"))


def test_a_map_shows_the_patients_right_on_the_left_as_its_caption_says(tmp_path: Path) -> None:
    mask_file(tmp_path / "right.nii.gz", [((30, -20, 20), 8)], np.asarray(template_image(1.0).affine), template_image(1.0).shape)
    strip = map_strip(lesion_map(measure_masks([tmp_path / "right.nii.gz"], in_template=True)))
    picture = np.asarray(Image.open(BytesIO(b64decode(strip.split(",", 1)[1]))).convert("RGB"), dtype=int)
    tiles = np.split(picture, len(MAP_SLICES_MM), axis=1)
    coloured = np.ptp(tiles[MAP_SLICES_MM.index(20.0)], axis=2) > 60
    columns = np.flatnonzero(coloured.any(axis=0))
    assert columns.size and columns.max() < coloured.shape[1] / 2


def test_shares_that_are_not_met_are_named_first(tmp_path: Path) -> None:
    people = [person("MS", row("deep_white"))] * 40
    cohort = write_cohort(tmp_path / "cohort", people, boxes=(((20, 20, 30), 4),), space="native")
    text = write_cohort_description(cohort, out=tmp_path).read_text()
    assert "Not met:" in text
    assert "MS: Dawson finger" in text
    assert "✗" in text
