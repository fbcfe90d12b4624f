from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dawson.cohort.scan import Scan
from dawson.errors import CohortError, ConfigError
from dawson.files import read_json, sidecar_path
from dawson.lesions.label_types import (
    attributes_file,
    check_attributes,
    label_type,
    label_types,
    read_attributes,
    read_label_types,
    share_of_lesions,
    write_attributes,
)

SCAN = Scan("sub-01", "ses-01", None, None)
MASK = 'title = "A"\nlabel = "a"\nkind = "mask"\ncontrast = "FLAIR"\ndefinition = "d"\nsource = "s"\n'


def test_the_markers_of_ms_have_one_name_each() -> None:
    kinds = {name: entry.kind for name, entry in label_types().items()}
    masks = ("white_matter_lesion", "cortical_lesion", "new_lesion", "enlarging_lesion", "enhancing_lesion")
    assert {kinds[name] for name in masks} == {"mask"}
    assert {kinds[name] for name in ("central_vein_sign", "paramagnetic_rim")} == {"attribute"}
    assert label_type("corticalLesion") is label_type("cortical_lesion")
    assert label_type("white_matter_lesion").file("expert") == "space-MNI152NLin2009aSym_label-lesion_desc-expert_mask.nii.gz"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a]\n" + MASK.replace('kind = "mask"', 'kind = "number"'), "kind"),
        ("[a]\n" + MASK.replace('label = "a"', 'label = "a b"'), "label"),
        ("[a]\n" + MASK + 'levels = ["yes", "no"]\n', "a mask has no levels"),
        ("[a]\n" + MASK + "[b]\n" + MASK, "two label types with one label"),
        ("[a]\n" + MASK.replace("mask", "attribute") + 'of = "b"\nlevels = ["yes", "no"]\n', "which is no mask there"),
        ("[a]\n" + MASK.replace("mask", "attribute") + 'of = "b"\nlevels = ["yes", "yes"]\n', "said once each"),
        ("a = 1\n", "outside of a table"),
        ("[a\n", "cannot be read"),
    ],
)
def test_a_vocabulary_that_is_not_right_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "types.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        read_label_types(path)


def test_what_is_said_of_lesions_comes_back(tmp_path: Path) -> None:
    instances = tmp_path / "lesions.nii.gz"
    nib.save(nib.Nifti1Image(np.array([[[0, 1, 2, 3]]], dtype=np.int16), np.eye(4)), instances)
    table = pd.DataFrame({"number": [1, 2, 3], "central_vein_sign": ["yes", "not_assessable", ""], "remark": ["", "small", ""]})
    path = write_attributes(SCAN, tmp_path, "rater1", table, instances, simulated=True)
    assert path == SCAN.derivative(tmp_path, attributes_file("rater1"))
    said = read_json(sidecar_path(path))
    assert said["SimulatedData"] is True
    assert set(said["central_vein_sign"]["Levels"]) == {"yes", "no", "not_assessable"}
    back = read_attributes(path)
    assert back["central_vein_sign"].fillna("").tolist() == ["yes", "not_assessable", ""]
    assert back["remark"].fillna("").tolist() == ["", "small", ""]


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"lesion": [1]}, "no column"),
        ({"number": [1, 1]}, "two rows"),
        ({"number": [0]}, "whole number"),
        ({"number": [1.5]}, "whole number"),
        ({"number": [4]}, "no lesion 4"),
        ({"number": [1, 2], "paramagnetic_rim": ["yes", "maybe"]}, "Lesion 2: paramagnetic_rim is 'maybe'"),
    ],
)
def test_a_table_that_is_not_right_is_refused(table: dict[str, list[object]], problem: str) -> None:
    with pytest.raises(CohortError, match=problem):
        check_attributes(pd.DataFrame(table), [1, 2, 3])


def test_tables_with_true_and_false_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "sub-01_desc-sim_lesions.tsv"
    path.write_text("number\tkind\tblack_hole\n1\tovoid\tfalse\n2\tovoid\ttrue\n")
    assert read_attributes(path)["black_hole"].tolist() == ["no", "yes"]


def test_shares_leave_out_what_nobody_could_assess() -> None:
    table = pd.DataFrame({"number": range(1, 7), "central_vein_sign": ["yes", "yes", "no", "not_assessable", "", None]})
    assert share_of_lesions(table, "central_vein_sign") == pytest.approx(2 / 3)
    assert np.isnan(share_of_lesions(table, "paramagnetic_rim"))
    with pytest.raises(ConfigError, match="cannot be"):
        share_of_lesions(table, "central_vein_sign", "perhaps")
