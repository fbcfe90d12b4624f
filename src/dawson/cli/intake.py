"""`dawson intake`: DICOM taken in safely, and folders from elsewhere searched for what names people."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dawson.cli import options
from dawson.cli.console import say, show_json, show_table
from dawson.errors import ConfigError

if TYPE_CHECKING:
    from dawson.intake.batch import Intake
    from dawson.intake.plan import Plan

app = typer.Typer(help="DICOM into a study: de-identified, sorted, without faces.", no_args_is_help=True)

_MOST_ROWS = 200
_DECISIONS = {"take": "take", "already": "already taken", "hold": "HOLD", "reject": "reject"}


@app.callback()
def _group() -> None:
    """DICOM into a study: de-identified, sorted, without faces."""


@app.command()
def dicom(
    source: Annotated[Path, typer.Argument(help="Folder or zip of DICOM files; it is only read.", show_default=False)],
    study: Annotated[Path, typer.Argument(help="The study: a BIDS folder, made where it is missing.", show_default=False)],
    rules: Annotated[
        Path | None,
        typer.Option("--rules", help="Rule file; by default code/intake.toml of the study, else the shipped one.", show_default=False),
    ] = None,
    take: Annotated[
        list[str] | None,
        typer.Option("--take", help="SERIES=FLAIR (or T1w, T2w, reject): decide about a held series by its code.", show_default=False),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Key file of the pseudonyms; by default intake.key in the key folder.", show_default=False)
    ] = None,
    site: Annotated[str, typer.Option("--site", help="Centre or scanner, for participants.tsv.", show_default=False)] = "",
    deface: Annotated[bool, typer.Option("--deface/--no-deface", help="Take faces and ears off.")] = True,
    accept_face: Annotated[
        list[str] | None,
        typer.Option("--accept-face", help="Code of a series in quarantine whose picture shows no face any more.", show_default=False),
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who looked at the picture.", show_default=False)] = "",
    reason: Annotated[str, typer.Option("--reason", help="What it shows; name no patient.", show_default=False)] = "",
    ignore_issuer: Annotated[bool, typer.Option("--ignore-issuer", help="A patient number is one person, whoever issued it.")] = False,
    dicom_out: Annotated[
        Path | None, typer.Option("--dicom-out", help="Keep de-identified DICOM here too; its faces stay.", show_default=False)
    ] = None,
    quarantine: Annotated[
        Path | None,
        typer.Option("--quarantine", help="What failed, and pictures of heads; by default STUDY-quarantine.", show_default=False),
    ] = None,
    link: Annotated[
        Path | None, typer.Option("--link", help="Table of who is who, for its owner only, outside the study.", show_default=False)
    ] = None,
    jobs: options.Jobs = 0,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Take DICOM into a study: de-identify, convert, sort by rules, remove faces, and write down what became of each series."""
    from dawson.intake.batch import Options, plan_intake, take_in
    from dawson.intake.face_acceptance import FaceAcceptance
    from dawson.parallel import resolve_jobs
    from dawson.report.intake_page import write_intake_page

    chosen = Options(
        rules=rules,
        take=_take(take or []),
        key=key,
        site=site,
        deface=deface,
        use_issuer=not ignore_issuer,
        acceptance=FaceAcceptance(tuple(accept_face or ()), by, reason),
        dicom_out=dicom_out,
        quarantine=quarantine,
        link=link,
        jobs=resolve_jobs(jobs),
    )
    if dry_run:
        plan = plan_intake(source, study, chosen)
        show_json(_as_json(plan)) if as_json else _show(plan)
        return
    done = take_in(source, study, chosen)
    page = write_intake_page(study, done.quarantine)
    if as_json:
        show_json({**_as_json(done.plan), "rows": [row.cells() for row in done.rows], "counts": done.counts, "page": str(page)})
    else:
        _tell(done, page, deface=deface, dicom_out=dicom_out)
    if not done.counts["taken"] and not done.counts["already"]:
        raise typer.Exit(1)


@app.command()
def audit(
    folder: Annotated[Path, typer.Argument(help="DICOM or BIDS folder; it is only read.", show_default=False)],
    known: Annotated[
        Path | None,
        typer.Option("--known", help="Names and numbers to look for everywhere, one a line of a text file.", show_default=False),
    ] = None,
    faces: Annotated[bool, typer.Option("--faces/--no-faces", help="Look for faces too (seconds an image).")] = True,
    as_json: options.AsJson = False,
) -> None:
    """Search a DICOM or BIDS folder for what could name a person; leaves with 1 where something is found."""
    from dataclasses import asdict

    from dawson.intake.audit_remains import audit as search

    if known is not None and not known.is_file():
        raise ConfigError(f"--known {known} does not exist.", "Give a text file with one name or number a line.")
    words = known.read_text(encoding="utf-8-sig").split("\n") if known is not None else []
    findings = search(folder, [word.strip() for word in words if word.strip()], faces=faces)
    if as_json:
        show_json([asdict(finding) for finding in findings])
    elif findings:
        rows = [[str(value) for value in asdict(finding).values()] for finding in findings[:_MOST_ROWS]]
        show_table(f"What remains in {folder}", list(asdict(findings[0])), rows)
        say(f"{len(findings)} findings{f', the first {_MOST_ROWS} shown' if len(findings) > _MOST_ROWS else ''}.")
    else:
        say(f"Nothing was found in {folder} that names a person. That is no proof that nothing is there.")
    if findings:
        raise typer.Exit(1)


def _take(given: list[str]) -> dict[str, str]:
    lines = {}
    for text in given:
        code, sign, target = text.partition("=")
        if not sign or not code.strip() or not target.strip():
            raise ConfigError(f"--take {text} is not understood.", "Write it as --take S-0123ABCD=FLAIR.")
        lines[code.strip()] = target.strip()
    return lines


def _show(plan: Plan) -> None:
    """The plan. It shows descriptions and folders of the source, which may name people: for this terminal only."""
    rows = []
    for item in plan.planned[:_MOST_ROWS]:
        header = item.series.header
        times = "/".join("-" if value is None else f"{value:g}" for value in (header.tr_ms, header.te_ms, header.ti_ms))
        becomes = item.file.name if item.decision == "take" else _DECISIONS[item.decision]
        hints = "".join(f"\nlooks like {hint}" for hint in item.sorted.suggestions) if item.decision == "hold" else ""
        words = f"{header.description}\n{item.code} {item.words}"
        rows.append([item.participant_id or "?", words, len(item.series.files), times, becomes, item.reason + hints])
    show_table("Would be taken in", ["participant", "series, its codes", "files", "TR/TE/TI ms", "becomes", "why"], rows)
    if len(plan.planned) > _MOST_ROWS:
        say(f"{len(plan.planned) - _MOST_ROWS} further series; --json shows all.")
    for reason, count in sorted(plan.refused.items()):
        say(f"{count} file{'s' if count > 1 else ''}: {reason}.")
    counts = Counter(item.decision for item in plan.planned)
    said = f"{counts['take']} series to take, {counts['already']} already taken, {counts['hold']} held, {counts['reject']} rejected"
    say(f"{plan.files} files: {said}.")
    say("Descriptions above may name people; they stay on this terminal and are not written into the study.")
    _help_held(plan)


def _help_held(plan: Plan) -> None:
    if held := [item for item in plan.of("hold") if item.participant_id and "quarantine" not in item.reason]:
        code = held[0].code
        say(f'Decide about a held series with --take {code}=FLAIR, or by a line "{code}" = "FLAIR" under [take] of code/intake.toml.')


def _tell(done: Intake, page: Path, *, deface: bool, dicom_out: Path | None) -> None:
    rows = [
        [row.participant_id or "-", row.session_id or "-", row.series, row.status, row.contrast or "-", row.reason]
        for row in done.rows
        if row.status != "taken" or row.reason
    ]
    if rows:
        show_table("Not taken, or to be looked at", ["participant", "session", "series", "status", "contrast", "why"], rows[:_MOST_ROWS])
    for name, count in sorted(done.dropped.items()):
        say(f"Left out of {count} sidecars: {name}")
    for code, reason in sorted(done.no_dicom.items()):
        say(f"No de-identified DICOM of {code}: {reason}.")
    if not deface:
        say("NO FACES WERE REMOVED (--no-deface): these images can be recognised. Do not share them.")
    if dicom_out is not None:
        say(f"De-identified DICOM: {dicom_out}. Its faces are NOT removed: it can be recognised. Do not share it.")
    counts = done.counts
    say(f"{counts['taken']} series taken, {counts['already']} already there, {counts['held']} held, {counts['rejected']} rejected.")
    say(f"Look through it: {page} (shows faces: keep it where the originals are kept)")
    _help_held(done.plan)


def _as_json(plan: Plan) -> dict[str, object]:
    return {
        "files": plan.files,
        "refused": plan.refused,
        "series": [
            {**item.row().cells(), "decision": item.decision, "becomes": item.file.as_posix() if item.decision == "take" else None}
            for item in plan.planned
        ],
    }
