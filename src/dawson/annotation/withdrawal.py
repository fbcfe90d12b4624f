"""What a withdrawal has to know of annotation: items of the server's database that show the person."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from dawson.annotation.build import DATABASE, FOLDER, database_path
from dawson.annotation.campaigns import set_aside
from dawson.annotation.items import Item
from dawson.governance.traces import Trace
from dawson.storage.database import flush_to_disk, open_database
from dawson.storage.models import CampaignItem


class AnnotationsOfPerson:
    """Takes part in withdrawals (see `dawson.governance.traces.Hook`).

    Drawings, rows of items.tsv and of releases bear the person's name and are found as files. Here the items go: what they show is
    forgotten, nobody gets them any more, and the answers that raters gave stay, of an item that is nobody's.
    """

    def find(self, study: Path, participant_id: str) -> list[Trace]:
        """Count the items of each campaign that show a person."""
        return _work(study, participant_id, change=False)

    def remove(self, study: Path, participant_id: str) -> list[Trace]:
        """Forget what these items show."""
        return _work(study, participant_id, change=True)


def withdraw_item(session: Session, item: CampaignItem) -> None:
    """Take an item out of its campaign and forget whom it shows."""
    set_aside(session, item)
    shown = Item(item.number, "item", "", "", ())
    item.shown = {**vars(shown), "images": [], "earlier": []}
    session.flush()


def _work(study: Path, participant_id: str, *, change: bool) -> list[Trace]:
    if not database_path(study).is_file():
        return []
    counts: dict[str, int] = {}
    sessions = open_database(database_path(study))
    with sessions.begin() as session:
        for item in session.scalars(select(CampaignItem)):
            if item.shown.get("participant_id") == participant_id:
                counts[item.campaign.name] = counts.get(item.campaign.name, 0) + 1
                if change:
                    withdraw_item(session, item)
    if change:
        flush_to_disk(sessions)
    done = "removed" if change else "would be removed"
    return [Trace("item", f"{FOLDER}/{DATABASE}", f"{count} items of {name}", done) for name, count in sorted(counts.items())]
