"""What participants read in the public folder of a challenge."""

from __future__ import annotations

from collections.abc import Mapping

from dawson.challenge.settings import ChallengeSettings, Phase
from dawson.imaging.template import TEMPLATE_SPACE


def instructions(settings: ChallengeSettings, counts: Mapping[str, tuple[int, int]], *, simulated: bool, some_case: str) -> str:
    """README of the public folder, in Markdown.

    Parameters
    ----------
    settings : ChallengeSettings
    counts : mapping
        Part to number of people and cases.
    simulated : bool
        The people are simulated.
    some_case : str
        Name of a test case, as an example.
    """
    about, task = settings.challenge, settings.task
    parts = [
        f"# {about.title}",
        "**Simulated data: every person and scan here was made by a computer program.**" if simulated else "",
        "**Research use only.**",
        about.about,
        f"Task: {task.title} (`{task.name}`). Organiser: {about.organiser}{', ' + about.contact if about.contact else ''}.",
        f"Licence of the data: {about.licence}. {about.data_statement}",
        "## Data",
        _data(settings, counts),
        "## What to hand in",
        _answer(settings, some_case),
        "## Scores",
        _scores(settings),
        "## Phases",
        "\n".join(f"- {_phase(phase)}" for phase in settings.phases),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _data(settings: ChallengeSettings, counts: Mapping[str, tuple[int, int]]) -> str:
    numbers = ", ".join(f"{part} {people} people ({cases} cases)" for part, (people, cases) in counts.items())
    truth = (
        f"a mask `*_label-{settings.task.label}_desc-truth_mask.nii.gz` beside the images"
        if settings.task.answer == "mask"
        else "a row of `training/cases.tsv`"
    )
    pair = " A case is about what is new in the session of its name against the session before." if settings.task.visits == 2 else ""
    return (
        f"`training/` and `test/` are BIDS-like folders of brain images (FLAIR and, where there is one, T1w) in the space "
        f"{TEMPLATE_SPACE}, 1 mm. Numbers: {numbers}. The truth of each training case is {truth}.{pair} "
        "`test/cases.tsv` says which test cases are open and which are for the final phase. `SHA256SUMS` lists all files."
    )


def _answer(settings: ChallengeSettings, some_case: str) -> str:
    if settings.task.answer == "mask":
        return (
            f"A zip with one mask for every case of the phase, named as the case: `{some_case}.nii.gz` (or `.nii`), "
            "on the grid of its FLAIR, 0 for background and 1 for lesion. No folders are needed."
        )
    columns = ", ".join(f"`{column.name}`" for column in (settings.task.columns or (lambda _: ()))(settings.challenge.targets))
    return f"A CSV or TSV table with one row for every case of the phase and the columns `case`, {columns}."


def _scores(settings: ChallengeSettings) -> str:
    metrics = [settings.task.metric(name) for name in settings.metrics]
    listed = "\n".join(f"- {metric.title} ({'higher' if metric.higher_is_better else 'lower'} is better)" for metric in metrics)
    return (
        f"Ranked by {settings.ranking.scheme}:\n\n{listed}\n\nA missing case counts as the worst answer. "
        f"Scores are shown with {settings.ranking.digits} digits; the truth of test cases is never given out."
    )


def _phase(phase: Phase) -> str:
    until = f" to {phase.closes:%d %B %Y %H:%M %Z}" if phase.closes else ""
    note = "; scored once, shown when it has closed" if phase.cases == "final" else ""
    entries = f"{phase.quota} entries a team, {phase.quota_per_day} a day" if phase.quota > 1 else "one entry a team"
    return f"**{phase.name}**: from {phase.opens:%d %B %Y %H:%M %Z}{until}, {phase.cases} cases, {entries}{note}."
