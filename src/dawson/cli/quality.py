"""`dawson quality`: measure and judge scans, and write down what a person says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dawson.cli import options
from dawson.cli.console import say, show_json, show_refused, show_table
from dawson.cli.people import asked_participants
from dawson.cli.study_file import find_config
from dawson.errors import QualityError

app = typer.Typer(no_args_is_help=True, help="Which scans are good enough: measures, protocol, decision, verdicts.")


@app.command("run")
def run(
    study: options.Study,
    out: options.Out = None,
    participant: options.Participants = None,
    where: options.Where = None,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    force: Annotated[bool, typer.Option("--force", help="Measure again what was measured before.")] = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure every scan, compare it with those of its scanner, and decide: accept, review or reject."""
    from dawson.cohort.consent import permitted, remember_results
    from dawson.cohort.dataset import read_cohort
    from dawson.quality.places import TABLE
    from dawson.quality.study import run_quality
    from dawson.report.quality_page import write_quality_page

    config = find_config(study, out)
    derivatives = (out or study) / "derivatives" / "dawson"
    cohort = read_cohort(study, text=("diagnosis", config.study.site_column))
    cohort, refused = permitted(cohort, config.governance, "select", record=not dry_run)
    show_refused(refused)
    # Decisions are made over everybody; --where and --participant say only who is measured now.
    chosen = {(scan.participant_id, scan.session_id) for scan in (cohort.select(where) if where else cohort).scans}
    wanted = asked_participants(participant, cohort, refused)
    asked = [scan for scan in cohort.scans if (scan.participant_id, scan.session_id) in chosen]
    scans = [scan for scan in asked if (scan.t1w or scan.flair) and (not wanted or scan.participant_id in wanted)]
    if dry_run:
        rows = [[scan.participant_id, scan.session_id, bool(scan.t1w), bool(scan.flair)] for scan in scans]
        show_table("Would be measured", ["participant", "session", "T1w", "FLAIR"], rows)
        return
    remember_results(study, out or study, config.governance)
    table = run_quality(cohort, scans, derivatives, config, jobs=jobs, dask=dask, force=force)
    page = write_quality_page(derivatives, study, config)
    counts = table["decision"].value_counts()
    if as_json:
        columns = ["participant_id", "session_id", "decision", "score", "reason", "protocol", "verdict"]
        show_json({"table": str(derivatives / TABLE), "page": str(page), "scans": table[columns].to_dict("records")})
        return
    doubtful = table[table["decision"] != "accept"]
    if len(doubtful):
        columns = ["participant_id", "session_id", "decision", "verdict", "reason"]
        show_table("To be looked at", ["participant", "session", "decision", "verdict", "reason"], doubtful[columns].values.tolist())
    said = ", ".join(
        f"{counts.get(name, 0)} {word}" for name, word in (("accept", "accepted"), ("review", "to review"), ("reject", "rejected"))
    )
    say(f"{len(table)} scans: {said}. Table: {derivatives / TABLE}")
    say(f"Page: {page}")


@app.command("review")
def review(
    study: options.Study,
    participant: Annotated[str | None, typer.Argument(help="Whose scan.", show_default=False)] = None,
    session: Annotated[str, typer.Argument(help="Which session; leave it out where the study has none.", show_default=False)] = "",
    accept: Annotated[bool, typer.Option("--accept", help="Use the scan, whatever the machine says.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Do not use the scan, whatever the machine says.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last verdict back: the machine's decision counts again.")] = False,
    by: Annotated[str, typer.Option("--by", help="Who says so.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", help="Many verdicts: participant_id, session_id, verdict, reason, and by if not given here.", show_default=False
        ),
    ] = None,
    out: options.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Record a person's verdict on a scan, or on many from a table; without a verdict, show what is recorded."""
    from dawson.cohort.dataset import read_cohort
    from dawson.cohort.tables import prefixed
    from dawson.quality.verdicts import Judgement, Verdict, read_many, read_verdicts, record

    derivatives = (out or study) / "derivatives" / "dawson"
    chosen: list[Judgement] = []
    for name, given in (("accept", accept), ("reject", reject), ("undo", undo)):
        chosen += [name] if given else []  # type: ignore[list-item]
    if csv is None and participant is None:
        _show(read_verdicts(derivatives).to_dict("records"), as_json)
        return
    if csv is not None:
        if chosen or participant:
            raise QualityError("--csv brings its own scans and verdicts.", "Leave out the participant and --accept, --reject, --undo.")
        verdicts = read_many(csv, by)
    else:
        if len(chosen) != 1:
            raise QualityError("A verdict is one of --accept, --reject and --undo.", "Give just one of them.")
        verdicts = [Verdict(prefixed(participant, "sub-"), prefixed(session, "ses-"), chosen[0], by, reason)]
    known = {(scan.participant_id, scan.session_id) for scan in read_cohort(study).scans}
    for verdict in verdicts:
        if (verdict.participant_id, verdict.session_id) not in known:
            name = f"{verdict.participant_id} {verdict.session_id}".strip()
            raise QualityError(f"{study} has no scan {name}; no verdict was recorded.", "Check participant and session.")
    record(derivatives, verdicts)
    _refresh(study, out, derivatives)
    _show([vars(verdict) for verdict in verdicts], as_json)


def _refresh(study: Path, out: Path | None, derivatives: Path) -> None:
    """Show the verdict in quality.tsv and on the page, where there are any; people who may not be selected now stand on neither."""
    from dawson.cohort.consent import permitted
    from dawson.cohort.dataset import read_cohort
    from dawson.files import write_tsv
    from dawson.quality.decisions import read_quality
    from dawson.quality.places import TABLE
    from dawson.report.quality_page import write_quality_page

    if (derivatives / TABLE).is_file():
        config, table = find_config(study, out), read_quality(derivatives)
        _, refused = permitted(read_cohort(study), config.governance, "select", record=False)
        write_tsv(derivatives / TABLE, table[~table["participant_id"].isin(refused)])
        write_quality_page(derivatives, study, config)


def _show(rows: Sequence[Mapping[Any, Any]], as_json: bool) -> None:
    if as_json:
        show_json(rows)
        return
    columns = ["participant_id", "session_id", "verdict", "verdict_by", "verdict_reason", "verdict_date"]
    show_table("Verdicts", ["participant", "session", "verdict", "by", "reason", "when"], [[row[name] for name in columns] for row in rows])
