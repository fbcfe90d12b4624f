"""A drawing as an answer: the file first, then the row that tells of it, so that what was confirmed is there."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from dawson.annotation.build import campaign_folder
from dawson.annotation.campaigns import record_answer, settings_of, shown_item
from dawson.annotation.drawings import agrees_with, drawing_path, keep_drawing, pairwise_dice, read_drawing
from dawson.annotation.rules import state_of_drawings
from dawson.annotation.standing import GATE, TUTORIAL
from dawson.lesions.rater_masks import read_mask
from dawson.storage.models import Account, Lease, Rating

PRACTICE = "practice"
"""Answer of drawings of the tutorial and the gate, of which only whether they were right is kept."""


def record_drawing(session: Session, study: Path, lease: Lease, data: bytes, seconds: float, now: datetime) -> Rating:
    """Check a drawing, keep it, and draw its consequences; see `record_answer`.

    Parameters
    ----------
    session : Session
    study : Path
    lease : Lease
    data : bytes
        NIfTI, packed or not, on the grid of the first image of the item.
    seconds : float
    now : datetime

    Raises
    ------
    AnnotationError
        The drawing cannot be used, see `read_drawing`; the item stays with the rater.
    """
    item = lease.item
    settings, shown = settings_of(item.campaign), shown_item(item)
    image = study / shown.images[0]
    mask = read_drawing(data, image)
    right = agrees_with(mask, study / shown.gold, settings.checks.gold_dice) if shown.gold else None
    answer = PRACTICE
    if lease.purpose not in (TUTORIAL, GATE):
        folder = campaign_folder(study, item.campaign.name)
        rater = session.get_one(Account, lease.account_id).pseudonym
        path = drawing_path(folder, study, shown, rater, again=lease.purpose == "repeat")
        keep_drawing(path, mask, image)
        answer = path.relative_to(folder).as_posix()
    rating = record_answer(session, lease, answer, seconds, now, right)
    if rating.purpose == "item" and not item.adjudicated:
        told = session.scalars(select(Rating.answer).where(Rating.item_id == item.id, Rating.purpose == "item")).all()
        enough = len(told) >= settings.end.drawings
        masks = [read_mask(campaign_folder(study, item.campaign.name) / one)[0] for one in told] if enough else []
        item.state = state_of_drawings(pairwise_dice(masks), len(told), settings.end)
        session.flush()
    return rating
