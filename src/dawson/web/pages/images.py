"""Images of items, without anything that tells whose they are, for those who have the item before them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.exceptions import HTTPException
from fastapi.responses import FileResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from dawson.annotation.campaigns import settings_of, shown_item
from dawson.annotation.items import Item
from dawson.annotation.settings import CampaignSettings
from dawson.annotation.standing import TUTORIAL
from dawson.cohort.nifti_copy import copy_nifti
from dawson.files import atomic_path
from dawson.storage.models import CampaignItem, Lease, Member, Rating
from dawson.web.guard import Caller, Key, Volunteer, server_of
from dawson.web.server import Server

router = APIRouter()
LATER, EARLIER, MASK, SOLUTION = "later", "earlier", "mask", "solution"


def viewer_of(item: CampaignItem, settings: CampaignSettings, *, drawing: bool, solution: bool = False) -> dict[str, Any]:
    """What the viewer of a page is told: addresses of images, place of the lesion, whether one may draw."""
    shown = shown_item(item)

    def addresses(visit: str, count: int) -> list[str]:
        return [f"/items/{item.id}/{visit}/{number}.nii.gz" for number in range(count)]

    return {
        "images": addresses(LATER, len(shown.images)),
        "contrasts": list(settings.contrasts[: len(shown.images)]),
        "earlier": addresses(EARLIER, len(shown.earlier)),
        "mask": f"/items/{item.id}/{MASK}/0.nii.gz" if shown.mask else "",
        "solution": f"/items/{item.id}/{SOLUTION}/0.nii.gz" if solution else "",
        "place": list(shown.place) if shown.place else None,
        "draw": drawing,
    }


@router.get("/items/{item_id}/{which}/{number}.nii.gz")
def image(request: Request, caller: Volunteer, item_id: Key, which: str, number: Annotated[int, InPath(ge=0, le=99)]) -> FileResponse:
    """One image of an item."""
    server = server_of(request)
    with server.session() as session:
        item = session.get(CampaignItem, item_id)
        if item is None or not _may_see(session, caller, item, which):
            raise HTTPException(404, "There is no such image.")
        shown, settings = shown_item(item), settings_of(item.campaign)
    if not server.may_be_shown(shown.participant_id, public=settings.campaign.public, actor=caller.own.pseudonym, record=False):
        server.copies.drop(shown.participant_id)
        raise HTTPException(404, "This image may not be shown any more.")
    files = {LATER: shown.images, EARLIER: shown.earlier, MASK: (shown.mask,), SOLUTION: (shown.gold,)}.get(which, ())
    if number >= len(files) or number < 0 or not files[number]:
        raise HTTPException(404, "There is no such image.")
    path = server.study / files[number]
    if not path.is_file():
        raise HTTPException(404, "This image is not there any more.")
    copy = _copy(server, path, shown, which, public=settings.campaign.public)
    return FileResponse(copy, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def _may_see(session: Session, caller: Caller, item: CampaignItem, which: str) -> bool:
    """Whoever has it before them, answered it in the tutorial, or decides about it; what is right only the last two."""
    account = caller.own.id
    promoted = session.scalar(select(Member.promoted).where(Member.campaign_id == item.campaign_id, Member.account_id == account))
    if caller.has("expert") or (promoted and item.state == "expert"):
        return which != SOLUTION or caller.has("organiser")
    learnt = select(Rating.id).where(Rating.item_id == item.id, Rating.account_id == account, Rating.purpose == TUTORIAL)
    if session.scalar(learnt.limit(1)) is not None:
        return True
    before = select(Lease.id).where(Lease.item_id == item.id, Lease.account_id == account)
    return which != SOLUTION and session.scalar(before.limit(1)) is not None


def _copy(server: Server, path: Path, item: Item, which: str, *, public: bool) -> Path:
    """A copy without free text in its header; of a lesion's mask only the lesion that is asked about."""
    state = path.stat()
    lesion = item.lesion if which == MASK else 0

    def make(copy: Path) -> None:
        if lesion:
            _one_lesion(path, lesion, copy)
        elif path.name.endswith(".gz"):
            copy_nifti(path, copy)
        else:
            _packed(path, copy)

    what = f"{path} {state.st_mtime_ns} {state.st_size} {lesion}"
    return server.copies.of(item.participant_id, what, make, public=public)


def _one_lesion(path: Path, lesion: int, copy: Path) -> None:
    import nibabel as nib

    from dawson.imaging.lesion_instances import lesion_instances

    image: Any = nib.load(path)
    mask = (lesion_instances(np.asarray(image.dataobj) > 0.5) == lesion).astype(np.uint8)
    with atomic_path(copy) as temporary:
        nib.save(nib.Nifti1Image(mask, image.affine), temporary)


def _packed(path: Path, copy: Path) -> None:
    import nibabel as nib

    image: Any = nib.load(path)
    plain: Any = nib.Nifti1Image(np.asarray(image.dataobj), image.affine)
    for form in ("qform", "sform"):
        code = int(image.header[f"{form}_code"])
        getattr(plain, f"set_{form}")(getattr(image, f"get_{form}")() if code else None, code)
    with atomic_path(copy) as temporary:
        nib.save(plain, temporary)
