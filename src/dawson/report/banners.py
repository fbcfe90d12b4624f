"""What must stand at the top of every page, whatever else it shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Banner:
    """One line across the page.

    Parameters
    ----------
    kind : {"research", "simulated", "danger", "consent", "share"}
        How it looks.
    title, text : str
    """

    kind: str
    title: str
    text: str


RESEARCH = Banner(
    "research",
    "Research use only.",
    "Not a medical device; not for diagnosis, treatment or any decision about a patient.",
)
SIMULATED = Banner(
    "simulated",
    "Simulated data.",
    "Every patient, scan and result on this page was made by a computer program. Nothing here says anything about real people.",
)
CONSENT = Banner(
    "consent",
    "Consent not managed.",
    "Dawson did not check whether these people agreed to this use of their data; whoever ran the study answers for it.",
)
SHARED = Banner(
    "share",
    "Version for sharing.",
    "Individuals are left out: no images, no identifiers, no rows about one person; counts from 1 to 4 are hidden in the tables of people.",
)
LEARNT_FROM_SIMULATED = Banner(
    "danger",
    "This model learnt from simulated patients.",
    "It has never seen the scan of a real person. Its probability means nothing for a real patient.",
)


def banners(*, simulated: bool, managed: bool | None, share: bool = False, learnt_from_simulated: bool = False) -> list[Banner]:
    """The banners of a page, the gravest first.

    Parameters
    ----------
    simulated : bool
        The patients are simulated.
    managed : bool or None
        Whether consent is managed; None where the page cannot know.
    share : bool
        Individuals are left out.
    learnt_from_simulated : bool
        The page shows what a model trained on simulated patients says.
    """
    shown = [
        (LEARNT_FROM_SIMULATED, learnt_from_simulated),
        (SIMULATED, simulated),
        (RESEARCH, True),
        (CONSENT, managed is False),
        (SHARED, share),
    ]
    return [banner for banner, wanted in shown if wanted]
