"""Drawings as they are sent: taken where they lie on the image's grid, refused with a reason everywhere else."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from sqlalchemy import select
from tests.annotation.conftest import AFFINE, NOW, SHAPE

from dawson.annotation.campaigns import open_campaign
from dawson.annotation.drawing_answers import PRACTICE, record_drawing
from dawson.annotation.drawings import drawing_path, pairwise_dice, read_drawing
from dawson.annotation.items import Item
from dawson.annotation.settings import parse_campaign
from dawson.errors import AnnotationError
from dawson.lesions.rater_masks import find_rater_masks
from dawson.lesions.scan_images import lesion_file
from dawson.storage.models import Account, CampaignItem, Lease

IMAGE = "sub-01/anat/sub-01_FLAIR.nii.gz"


def drawn(values=None, affine=AFFINE, packed=True):
    image = nib.Nifti1Image(np.zeros(SHAPE, np.uint8) if values is None else values, affine)
    data = image.to_bytes()
    return gzip.compress(data) if packed else data


def some_mask(shift=0):
    mask = np.zeros(SHAPE, np.uint8)
    mask[3 + shift : 6 + shift, 4:7, 5:8] = 1
    return mask


@pytest.mark.parametrize("packed", [True, False])
def test_a_drawing_comes_back_voxel_by_voxel(tiny_study, packed):
    assert np.array_equal(read_drawing(drawn(some_mask(), packed=packed), tiny_study / IMAGE), some_mask())


def test_a_fourth_axis_of_one_is_no_matter(tiny_study):
    assert np.array_equal(read_drawing(drawn(some_mask()[..., None]), tiny_study / IMAGE), some_mask())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no NIfTI"),
        (b"PK\x03\x04 a zip", "no NIfTI"),
        (b"\x1f\x8b\x08broken", "damaged"),
        (drawn(np.zeros((20, 24, 21), np.uint8)), "20 x 24 x 21 voxels"),
        (drawn(np.zeros((*SHAPE, 2), np.uint8)), "voxels"),
        (drawn(affine=np.diag([2.0, 2, 2, 1])), "elsewhere"),
        (drawn(np.full(SHAPE, 2, np.uint8)), "other values"),
        (drawn(np.full(SHAPE, np.nan, np.float32)), "other values"),
        (drawn(np.full(SHAPE, 0.5, np.float32)), "other values"),
        (gzip.compress(bytes(50_000_000)), "unpacks to more"),
        (gzip.compress(nib.Nifti1Image(np.zeros(SHAPE, np.uint8), AFFINE).to_bytes()[:400]), "no NIfTI"),
    ],
    ids=["nothing", "zip", "broken", "slices", "volumes", "elsewhere", "two", "nan", "half", "bomb", "cut"],
)
def test_what_is_no_drawing_of_the_image_is_refused(tiny_study, data, message):
    with pytest.raises(AnnotationError, match=message):
        read_drawing(data, tiny_study / IMAGE)


def test_more_than_64_mib_is_not_even_unpacked(tiny_study):
    with pytest.raises(AnnotationError, match="64 MiB"):
        read_drawing(bytes(65 * 2**20), tiny_study / IMAGE)


def test_dice_of_pairs():
    masks = [some_mask() > 0, some_mask() > 0, some_mask(1) > 0]
    assert pairwise_dice(masks) == pytest.approx([1.0, 2 / 3, 2 / 3])
    assert pairwise_dice([np.zeros(3, bool), np.zeros(3, bool)]) == [1.0]


@pytest.fixture
def drawing(sessions, tiny_study):
    settings = parse_campaign({"campaign": {"title": "Draw", "task": "lesion-draw"}, "end": {"drawings": 2}}, "test")
    gold = f"derivatives/dawson/sub-02/anat/sub-02_{lesion_file('sim', 'mask')}"
    items = [Item(1, "item", "sub-01", "", (IMAGE,)), Item(2, "tutorial", "sub-02", "", ("sub-02/anat/sub-02_FLAIR.nii.gz",), gold=gold)]
    with sessions.begin() as session:
        open_campaign(session, "draw", settings, items, NOW)
        for name in ("Ann1", "Ben2"):
            session.add(Account(name=name, pseudonym=name, password="", role="expert", agreed_at=NOW))
        session.flush()
        yield session


def answer(session, study, number, account, data, purpose="item"):
    item = session.scalars(select(CampaignItem).where(CampaignItem.number == number)).one()
    who = session.scalars(select(Account).where(Account.name == account)).one()
    lease = Lease(token=f"{account}{number}{purpose}", item_id=item.id, account_id=who.id, purpose=purpose, made_at=NOW, ends_at=NOW)
    session.add(lease)
    session.flush()
    return item, record_drawing(session, study, lease, data, 5.0, NOW)


def test_drawings_are_kept_as_masks_of_raters_and_end_the_item_when_they_agree(drawing, tiny_study):
    item, rating = answer(drawing, tiny_study, 1, "Ann1", drawn(some_mask()))
    kept = tiny_study / "annotation" / "draw" / rating.answer
    assert np.array_equal(np.asarray(nib.load(kept).dataobj), some_mask()) and np.allclose(nib.load(kept).affine, AFFINE)
    assert item.state == "open"
    item, _ = answer(drawing, tiny_study, 1, "Ben2", drawn(some_mask()))
    assert item.state == "done"
    from dawson.cohort.scan import Scan

    found = find_rater_masks(Scan("sub-01", "", None, None), [tiny_study / "annotation" / "draw" / "drawings"])
    assert set(found.first) == {"Ann1", "Ben2"}


def test_drawings_that_differ_go_to_the_experts(drawing, tiny_study):
    answer(drawing, tiny_study, 1, "Ann1", drawn(some_mask()))
    item, _ = answer(drawing, tiny_study, 1, "Ben2", drawn(some_mask(10)))
    assert item.state == "expert"


def test_a_refused_drawing_leaves_the_item_with_the_rater(drawing, tiny_study):
    with pytest.raises(AnnotationError):
        answer(drawing, tiny_study, 1, "Ann1", b"nonsense")
    assert drawing.scalars(select(Lease)).one().purpose == "item"


def test_practice_is_judged_against_the_known_mask_and_leaves_no_file(drawing, tiny_study):
    truth = np.asarray(nib.load(tiny_study / f"derivatives/dawson/sub-02/anat/sub-02_{lesion_file('sim', 'mask')}").dataobj)
    _, right = answer(drawing, tiny_study, 2, "Ann1", drawn(truth.astype(np.uint8)), "tutorial")
    _, wrong = answer(drawing, tiny_study, 2, "Ben2", drawn(some_mask(10)), "tutorial")
    assert (right.right, wrong.right, right.answer) == (True, False, PRACTICE)


def test_a_repeat_has_a_file_of_its_own(tiny_study):
    item = Item(1, "item", "sub-01", "ses-02", (IMAGE,))
    paths = [drawing_path(tiny_study / "c", tiny_study, item, "Ann1", again) for again in (False, True)]
    assert paths[0].name == "sub-01_ses-02_space-MNI152NLin2009aSym_label-lesion_desc-raterAnn1_mask.nii.gz"
    assert paths[1].name.endswith("desc-raterAnn1run2_mask.nii.gz")
