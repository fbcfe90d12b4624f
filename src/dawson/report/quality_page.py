"""The quality page of a study: how measures spread by scanner, and every scan, the worst first."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dawson.cohort.scan import Scan
from dawson.config import StudyConfig
from dawson.errors import QualityError
from dawson.files import read_json
from dawson.quality.decisions import read_quality
from dawson.quality.outliers import WHOLE_STUDY, band, judged_columns
from dawson.quality.places import CONTACT_SHEET, DICTIONARY, TABLE, VERDICTS
from dawson.quality.study import worst_first
from dawson.report.banners import banners
from dawson.report.rendering import write_page

if TYPE_CHECKING:
    import pandas as pd

PAGE = "quality.html"
# of measures that differ between scans, those with the worst outlier come first; more would not be looked at
_FIGURES = 18
_GROUPS = (("reject", "Rejected"), ("review", "To be looked at"), ("accept", "Accepted"))


@dataclass(frozen=True)
class Card:
    """One scan on the page.

    Parameters
    ----------
    name : str
        Participant and session.
    decision : str
        The machine's.
    verdict, verdict_said : str
        A person's, and who, when, why; empty where nobody judged.
    simulated : bool
    score : str
    group : str
        Whom it was compared with.
    reasons, protocol, absent : list of str
    image : str
        Relative URL of the contact sheet; empty where there is none.
    commands : list of str
        To record a verdict.
    """

    name: str
    decision: str
    verdict: str
    verdict_said: str
    simulated: bool
    score: str
    group: str
    reasons: list[str]
    protocol: list[str]
    absent: list[str]
    image: str
    commands: list[str]


def write_quality_page(derivatives: Path, study: Path, config: StudyConfig) -> Path:
    """Write `quality.html` beside quality.tsv.

    Parameters
    ----------
    derivatives : Path
        Root of the derivatives, with quality.tsv.
    study : Path
        As it is to be named in the commands.
    config : StudyConfig

    Returns
    -------
    Path
        Of the page. It links contact sheets by relative paths, so it stays in its folder.

    Raises
    ------
    QualityError
        There is no quality.tsv.
    """
    if not (derivatives / TABLE).is_file():
        raise QualityError(f"{derivatives / TABLE} is missing, so there is nothing to show.", "Run `dawson quality run` first.")
    table = read_quality(derivatives)
    table = worst_first(table[table["decision"] != ""])
    simulated = table["simulated"].astype(str).str.lower() == "true"
    cards = [_card(row, derivatives, study) for row in table.to_dict("records")]
    return write_page(
        derivatives / PAGE,
        "quality.html",
        {
            "banners": banners(simulated=bool(simulated.any()), managed=config.governance.managed),
            "simulated": bool(simulated.any()),
            "all_simulated": bool(simulated.all()),
            "total": len(cards),
            "groups": [(key, title, [card for card in cards if card.decision == key]) for key, title in _GROUPS],
            "judged": sum(bool(card.verdict) for card in cards),
            "excluded": sum((card.verdict or card.decision) in config.quality.exclude for card in cards),
            "figures": _figures(table, config, derivatives),
            "settings": config.quality,
            "compared": len(cards) >= config.quality.minimum_group,
            "comparisons": sorted(table["compared_with"].value_counts().items()),
            "verdicts": VERDICTS,
        },
    )


def _card(row: Mapping[Any, Any], derivatives: Path, study: Path) -> Card:
    scan = Scan(str(row["participant_id"]), str(row["session_id"]), None, None)
    sheet = scan.derivative(derivatives, CONTACT_SHEET)
    said = f"{row['verdict']} by {row['verdict_by']} on {str(row['verdict_date'])[:10]}: {row['verdict_reason']}" if row["verdict"] else ""
    who = " ".join(part for part in (scan.participant_id, scan.session_id) if part)
    start = f"dawson quality review {shlex.quote(str(study))} {who}"
    usual = "--reject" if row["decision"] == "accept" else "--accept"
    commands = [f'{start} {usual} --by "YOUR NAME" --reason "WHY"']
    if row["decision"] == "review":
        commands.append(f'{start} --reject --by "YOUR NAME" --reason "WHY"')
    if row["verdict"]:
        commands = [f'{start} --undo --by "YOUR NAME" --reason "WHY"']
    return Card(
        name=scan.entities,
        decision=str(row["decision"]),
        verdict=str(row["verdict"]),
        verdict_said=said,
        simulated=str(row["simulated"]).lower() == "true",
        score=f"{float(row['score']):.1f}",
        group=str(row["compared_with"]),
        reasons=_parts(row["reason"]),
        protocol=_parts(row["protocol"]),
        absent=_parts(row["absent"]),
        image=quote(sheet.relative_to(derivatives).as_posix()) if sheet.is_file() else "",
        commands=commands,
    )


def _parts(cell: Any) -> list[str]:
    """Items of a cell: those of `reason` have brackets in which a semicolon does not divide."""
    items: list[str] = []
    depth = 0
    item = ""
    for letter in str(cell):
        depth += (letter == "(") - (letter == ")")
        if letter == ";" and depth <= 0:
            items.append(item.strip())
            item = ""
        else:
            item += letter
    return [one for one in [*items, item.strip()] if one]


def _figures(table: pd.DataFrame, config: StudyConfig, derivatives: Path) -> list[tuple[str, Any, str]]:
    """Title, picture and description of the judged measures, those with the farthest outlier first."""
    import pandas as pd

    from dawson.quality.outliers import directed_z
    from dawson.report.quality_figures import strip_plot

    dictionary = read_json(derivatives / DICTIONARY) if (derivatives / DICTIONARY).is_file() else {}
    far = directed_z(table, table["group"], config.quality.minimum_group)
    farthest = far.max().fillna(0.0).sort_values(ascending=False, kind="stable")
    drawn = []
    for name in farthest.index[:_FIGURES]:
        values = pd.to_numeric(table[name], errors="coerce")
        if values.notna().sum() == 0:
            continue
        shown = table["group"].where(table["compared_with"] != WHOLE_STUDY, WHOLE_STUDY)
        limits = {
            str(group): band(values[shown == group].dropna().to_numpy(float), judged_columns()[name], config.quality.review_z)
            for group in sorted(set(shown))
            if values[shown == group].notna().sum() >= config.quality.minimum_group
        }
        picture = strip_plot(values, [str(group) for group in shown], list(table["decision"]), name.replace("_", " "), f"q-{name}", limits)
        drawn.append((name, picture, str(dictionary.get(name, {}).get("Description", ""))))
    return drawn
