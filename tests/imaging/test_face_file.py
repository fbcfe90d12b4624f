"""A NIfTI file with other voxels keeps everything but its free text."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.errors import ImageError
from dawson.imaging.deface_file import as_in_file, stored_values, write_values
from dawson.imaging.volumes import read_volume

GEOMETRY = (
    "dim",
    "pixdim",
    "datatype",
    "bitpix",
    "qform_code",
    "sform_code",
    "srow_x",
    "srow_y",
    "srow_z",
    "quatern_b",
    "qoffset_x",
    "xyzt_units",
)
SECRET = b"MUELLER^ANNA"


def _file(path: Path, kind: str, axes: str, scaling: tuple[float, float] | None = None, extra_axis: bool = False) -> Path:
    values = np.random.default_rng(0).integers(0, 200, (30, 28, 26)).astype(kind)
    to_axes = nib.orientations.axcodes2ornt(axes)
    affine = np.array([[4.0, 0.3, 0, -58], [-0.3, 4.0, 0, -60], [0, 0, 5.0, -50], [0, 0, 0, 1]])
    affine = affine @ nib.orientations.inv_ornt_aff(to_axes, values.shape)
    image = nib.Nifti1Image(
        values[..., None] if extra_axis else values, affine, nib.Nifti1Header(endianness=">" if kind.startswith(">") else "<")
    )
    image.set_data_dtype(kind)
    image.header["descrip"] = SECRET
    image.header["aux_file"] = SECRET
    image.header["db_name"] = SECRET
    image.header["intent_name"] = SECRET
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"born 1961-03-04 " + SECRET))
    image.header.set_xyzt_units("mm", "sec")
    if scaling:
        image.header.set_slope_inter(*scaling)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR"])
@pytest.mark.parametrize(
    ("kind", "scaling"), [("uint8", None), ("<i2", (0.5, -3.0)), ("uint16", None), (">i2", (2.0, 0.0)), ("float32", None)]
)
def test_type_scaling_and_geometry_stay_and_text_goes(kind: str, scaling: tuple[float, float] | None, axes: str, tmp_path: Path) -> None:
    source = _file(tmp_path / "MUELLER head.nii.gz", kind, axes, scaling)
    header, stored = stored_values(source)
    changed = stored.copy()
    changed[3, 4, 5] = 77
    write_values(source, changed, tmp_path / "out" / "head.nii.gz")
    new_header, new = stored_values(tmp_path / "out" / "head.nii.gz")
    assert new.dtype == stored.dtype
    np.testing.assert_array_equal(new, changed)
    for name in GEOMETRY:
        np.testing.assert_array_equal(new_header[name], header[name], err_msg=name)
    assert new_header.endianness == header.endianness
    # read again as intensities: the scaling is the source's
    slope, inter = scaling or (1.0, 0.0)
    values = np.asarray(nib.load(tmp_path / "out" / "head.nii.gz").dataobj, dtype=float)
    assert values[3, 4, 5] == pytest.approx(77 * slope + inter)
    packed = (tmp_path / "out" / "head.nii.gz").read_bytes()
    content = gzip.decompress(packed)
    assert b"MUELLER" not in content and b"1961" not in content and b"MUELLER" not in packed


def test_an_axis_of_length_one_stays(tmp_path: Path) -> None:
    source = _file(tmp_path / "a.nii.gz", "uint8", "RAS", extra_axis=True)
    _, stored = stored_values(source)
    assert stored.ndim == 3
    write_values(source, stored, tmp_path / "b.nii")
    assert nib.load(tmp_path / "b.nii").shape == nib.load(source).shape


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SLA"])
def test_an_array_in_ras_order_goes_back_into_the_order_of_its_file(axes: str, tmp_path: Path) -> None:
    source = _file(tmp_path / "a.nii.gz", "uint8", axes)
    back = as_in_file(np.asarray(read_volume(source).dataobj), nib.load(source).affine)
    np.testing.assert_array_equal(back, stored_values(source)[1])


def test_another_format_is_refused(tmp_path: Path) -> None:
    nib.save(nib.MGHImage(np.zeros((4, 4, 4), dtype=np.float32), np.eye(4)), tmp_path / "a.mgz")
    with pytest.raises(ImageError, match="not a NIfTI"):
        stored_values(tmp_path / "a.mgz")
