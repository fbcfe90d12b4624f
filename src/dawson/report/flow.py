"""The way of the patients through the study: counted from the tables, drawn as a flow diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from markupsafe import Markup, escape

from dawson.report.disclosure import Secrets, secrets_of
from dawson.report.formatting import counted
from dawson.report.sharing import HIDDEN, hidden_count
from dawson.report.style import INK, MUTED, PALE, RULE, open_svg


@dataclass(frozen=True)
class Flow:
    """Counts of the flow diagram.

    Parameters
    ----------
    on_disk : (participants, scans)
    excluded : mapping of stage to scans
        From exclusions.tsv.
    not_selected : int
        Scans of other classes or not chosen by the study's `where`.
    analysed : (participants, scans)
    by_class : mapping of class to (participants, scans, without follow-up, ever drawn for a test)
    scheme : str
    """

    on_disk: tuple[int, int]
    excluded: Mapping[str, int]
    not_selected: int
    analysed: tuple[int, int]
    by_class: Mapping[str, tuple[int, int, int, int]]
    scheme: str


def count_flow(
    on_disk: tuple[int, int],
    exclusions: pd.DataFrame,
    splits: pd.DataFrame,
    labels: Mapping[str, str],
    classes: Sequence[str],
    scheme: str,
) -> Flow:
    """Count who went where.

    Parameters
    ----------
    on_disk : (participants, scans)
        What the dataset holds.
    exclusions, splits : DataFrame
        exclusions.tsv and splits.tsv.
    labels : mapping of participant to class
    classes : sequence of str
    scheme : str
        How the splits were made.
    """
    images = splits[["participant_id", "session_id"]].drop_duplicates()
    scans = images.groupby("participant_id").size()
    tested = set(splits.loc[splits["role"] == "test", "participant_id"])
    by_class = {}
    for name in classes:
        people = [who for who in scans.index if labels.get(str(who)) == name]
        single = [who for who in people if scans[who] == 1]
        by_class[name] = (len(people), int(scans[people].sum()), len(single), len(tested.intersection(people)))
    excluded = {str(stage): int(count) for stage, count in exclusions.groupby("stage", sort=False).size().items()}
    return Flow(
        on_disk=on_disk,
        excluded=excluded,
        not_selected=max(0, on_disk[1] - len(images) - sum(excluded.values())),
        analysed=(len(scans), len(images)),
        by_class=by_class,
        scheme=scheme,
    )


@dataclass(frozen=True)
class Step:
    """A box of the diagram, with what leaves the way before the next box."""

    title: str
    lines: list[str]
    leaves: list[str] = field(default_factory=list)


STAGES = {
    "consent": "without consent for this use",
    "quality": "excluded by quality control",
    "left out": "left out when the study was done again",
    "selection": "not selected by the study file",
    "diagnosis": "of no class of the study",
    "files": "no FLAIR",
    "preprocessing": "preprocessing failed",
}
TESTED = {
    "held-out-draw": "Drawn for a test set at least once",
    "nested-k-fold": "In a test set",
    "leave-one-site-out": "In the test set of their site",
    "external": "In the external test set",
}


def flow_steps(flow: Flow, share: bool = False) -> list[Step]:
    """The boxes of the diagram in words; with `share`, counts from 1 to 4 and what would give them away are hidden."""
    secrets = secrets_of(flow) if share else None
    leaves = [*flow.excluded.items(), *([("for other reasons", flow.not_selected)] if flow.not_selected else [])]
    on_disk = (
        "not shown: it would give a small count away"
        if secrets and secrets.on_disk
        else f"{counted(flow.on_disk[0], 'participant')}, {counted(flow.on_disk[1], 'scan')}"
    )
    lines = [f"{STAGES.get(stage, stage)}: {counted(hidden_count(count) if share else count, 'scan')}" for stage, count in leaves]
    followed, tested, groups = [], [], []
    for name, (people, scans, single, drawn) in flow.by_class.items():
        groups.append(f"{name}: {_size(people, scans, bool(secrets and name in secrets.people), bool(secrets and name in secrets.scans))}")
        # One of the two numbers and the class's total give the other, so they are hidden together.
        pair = secrets is not None and name in secrets.followed
        without, with_more = (HIDDEN, HIDDEN) if pair else (str(single), str(people - single))
        followed.append(f"{name}: {without} without, {with_more} with follow-up")
        tested.append(f"{name}: {HIDDEN if secrets and name in secrets.tested else f'{drawn} of {people}'}")
    return [
        Step("In the dataset", [on_disk], lines or ["nothing left out"]),
        Step("Analysed", [analysed_text(flow, secrets), *groups]),
        Step("Follow-up scans", followed),
        Step(TESTED.get(flow.scheme, "In a test set"), tested),
    ]


def _size(people: int, scans: int, hide_people: bool, hide_scans: bool) -> str:
    return f"{HIDDEN if hide_people else people} with {HIDDEN + ' scans' if hide_scans else counted(scans, 'scan')}"


def analysed_text(flow: Flow, secrets: Secrets | None, adjective: str = "") -> str:
    """How many people and scans were analysed, as far as others may know."""
    people = f"{HIDDEN} {adjective}participants" if secrets and secrets.people else counted(flow.analysed[0], f"{adjective}participant")
    scans = f"{HIDDEN} scans" if secrets and secrets.scans else counted(flow.analysed[1], "scan")
    return f"{people}, {scans}"


def draw_flow(steps: Sequence[Step], simulated: bool) -> Markup:
    """The flow diagram as SVG: boxes down the left, what leaves on the right."""
    box_width, side_left, side_width, line, pad, gap = 300, 330, 250, 17, 12, 40
    heights = [2 * pad + line * (1 + len(step.lines)) for step in steps]
    gaps = [max(gap, 2 * 14 + line * (1 + len(step.leaves))) if step.leaves else gap * 0.7 for step in steps]
    total = sum(heights) + sum(gaps[:-1]) + 4
    parts = [open_svg(side_left + side_width + 4, total, "Flow of patients: " + "; ".join(step.title for step in steps), "flow")]
    parts.append(
        '<defs><marker id="flow-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{MUTED}"/></marker></defs>'
    )
    arrow = f'stroke="{MUTED}" fill="none" marker-end="url(#flow-arrow)"'
    y = 2.0
    for index, (step, height) in enumerate(zip(steps, heights, strict=True)):
        parts.append(_box(2, y, box_width, height, step.title, step.lines, PALE))
        y += height
        if index + 1 == len(steps):
            break
        middle = 2 + box_width / 2
        parts.append(f'<path d="M{middle} {y:.1f}V{y + gaps[index]:.1f}" {arrow}/>')
        if step.leaves:
            tall = gaps[index] - 12
            parts.append(f'<path d="M{middle} {y + gaps[index] / 2:.1f}H{side_left}" {arrow}/>')
            parts.append(_box(side_left, y + 6, side_width, tall, "Left out", step.leaves, "#fff"))
        y += gaps[index]
    if simulated:
        parts.append(f'<text x="{side_left}" y="22" font-size="13" font-weight="700" fill="#b3261e">Simulated patients</text>')
    return Markup("".join(parts) + "</svg>")


def _box(x: float, y: float, width: float, height: float, title: str, lines: Sequence[str], fill: str) -> str:
    text = [f'<rect x="{x}" y="{y:.1f}" width="{width}" height="{height:.1f}" rx="4" fill="{fill}" stroke="{RULE}"/>']
    start = y + (height - 17 * (1 + len(lines))) / 2
    text.append(f'<text x="{x + 12}" y="{start + 13:.1f}" font-size="13" font-weight="700" fill="{INK}">{escape(title)}</text>')
    for index, words in enumerate(lines, start=1):
        text.append(f'<text x="{x + 12}" y="{start + 13 + 17 * index:.1f}" font-size="13" fill="{INK}">{escape(_cut(words))}</text>')
    return "".join(text)


def _cut(words: str, most: int = 46) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
