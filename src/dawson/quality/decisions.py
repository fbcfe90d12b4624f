"""Accept, review or reject: the machine's decision on every scan, and a person's verdict, which counts more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dawson.errors import QualityError
from dawson.files import read_tsv
from dawson.quality import verdicts
from dawson.quality.places import TABLE
from dawson.quality.plausibility import Finding

if TYPE_CHECKING:
    import pandas as pd

Decision = Literal["accept", "review", "reject"]
VERDICT_COLUMNS = ("verdict", "verdict_by", "verdict_reason", "verdict_date")
TEXT_COLUMNS = ("group", "compared_with", "decision", "reason", "protocol", "absent", *VERDICT_COLUMNS)


@dataclass(frozen=True)
class Decided:
    """What the machine makes of one scan.

    Parameters
    ----------
    decision : {"accept", "review", "reject"}
    score : float
        Largest directed z, raised to the review or reject limit where a plausibility rule speaks; orders scans, worst highest.
    reasons : tuple of str
        The gravest first.
    """

    decision: Decision
    score: float
    reasons: tuple[str, ...]


def decide(
    findings: Sequence[Finding],
    z: Mapping[str, float],
    values: Mapping[str, float],
    usual: Mapping[str, float],
    review_z: float,
    reject_z: float,
) -> Decided:
    """Put rules and outliers together.

    Parameters
    ----------
    findings : sequence of Finding
        Of the plausibility rules.
    z : mapping of str to float
        Directed robust z by column.
    values, usual : mapping of str to float
        The scan's own value and that of its group, for the words.
    review_z, reject_z : float
        From which z on a scan goes to a person, or out.
    """
    from dawson.quality.outliers import judged_columns

    said = [
        (finding.grade, reject_z if finding.grade == "reject" else review_z + 0.999 * finding.way * (reject_z - review_z), finding.text)
        for finding in findings
    ]
    score = max([limit for _, limit, _ in said], default=0.0)
    for name, judged in judged_columns().items():
        far = z.get(name)
        if far is None or far != far:
            continue
        # a measure that may not reject alone moves a scan up to the reject limit, never over it
        capped = far if judged.gravest == "reject" else min(far, 0.999 * reject_z)
        score = max(score, capped)
        if capped >= review_z:
            grade: Literal["review", "reject"] = "reject" if capped >= reject_z else "review"
            contrast, measure = name.split("_", 1) if name.startswith(("T1w_", "FLAIR_")) else ("", name)
            shown = f"{measure} {values[name]:.3g}, usually {usual[name]:.3g}; z {far:.1f}"
            said.append((grade, capped, f"{contrast} {judged.words} ({shown})".strip()))
    said.sort(key=lambda item: (item[0] != "reject", -item[1]))
    decision: Decision = "accept" if not said else said[0][0]
    return Decided(decision, round(float(score), 3), tuple(text for *_, text in said))


def read_quality(derivatives: Path) -> pd.DataFrame:
    """The decision on every scan, with the verdict that a person gave.

    Parameters
    ----------
    derivatives : Path
        Root of the derivatives, usually `STUDY/derivatives/dawson`.

    Returns
    -------
    DataFrame
        `participant_id`, `session_id`, `decision` (accept, review, reject; empty for a scan that only a person judged),
        `reason`, `verdict` (accept, reject or empty), `verdict_by`, `verdict_reason`, `verdict_date`, and all measures; no
        rows where quality was never run.

    Raises
    ------
    QualityError
        The table cannot be read.
    """
    import pandas as pd

    path = derivatives / TABLE
    needed = ["participant_id", "session_id", "decision", "reason", *VERDICT_COLUMNS]
    if path.is_file():
        try:
            table = read_tsv(path, text=TEXT_COLUMNS)
        except (ValueError, OSError) as error:
            raise QualityError(f"{path} cannot be read: {error}.", "Run `dawson quality run` again.") from None
        if missing := [name for name in needed if name not in table]:
            raise QualityError(f"{path} has no column {', '.join(missing)}.", "Run `dawson quality run` again.")
        for name in set(TEXT_COLUMNS) & set(table.columns):
            table[name] = table[name].astype(object).where(table[name].notna(), "")
    else:
        table = pd.DataFrame(columns=needed, dtype=object)
    return with_verdicts(table, derivatives)


def with_verdicts(table: pd.DataFrame, derivatives: Path) -> pd.DataFrame:
    """Set the verdict columns of a table from what is recorded; scans that only a person judged are added."""
    import pandas as pd

    held = verdicts.current(derivatives)
    table = table.copy()
    keys = list(zip(table["participant_id"].astype(str), table["session_id"].astype(str), strict=True))
    for name in VERDICT_COLUMNS:
        table[name] = [getattr(held[key], name) if key in held else "" for key in keys]
        table[name] = table[name].astype(object)
    more = [verdict for key, verdict in held.items() if key not in set(keys)]
    if more:
        rows: list[dict[str, Any]] = [
            {
                "participant_id": verdict.participant_id,
                "session_id": verdict.session_id,
                "decision": "",
                "reason": "",
                **{name: getattr(verdict, name) for name in VERDICT_COLUMNS},
            }
            for verdict in more
        ]
        table = pd.concat([table, pd.DataFrame(rows).astype(object)], ignore_index=True)
        for name in set(TEXT_COLUMNS) & set(table.columns):
            table[name] = table[name].astype(object).where(table[name].notna(), "")
    return table


def excluded(derivatives: Path, exclude: Sequence[str]) -> dict[tuple[str, str], str]:
    """Scans that quality control takes out of a study.

    Parameters
    ----------
    derivatives : Path
        Root of the derivatives.
    exclude : sequence of str
        Which decisions take a scan out, `reject` and perhaps `review`; a person's verdict counts in place of the machine's
        decision.

    Returns
    -------
    dict of (str, str) to str
        Participant and session to the reason; empty where quality was never run.
    """
    found = {}
    for row in read_quality(derivatives).to_dict("records"):
        verdict = str(row["verdict"])
        if (verdict or str(row["decision"])) in exclude:
            reason = f"{row['verdict_by']}: {row['verdict_reason']}" if verdict else str(row["reason"])
            found[str(row["participant_id"]), str(row["session_id"])] = reason
    return found
