"""`dawson governance consent`: what participants agreed to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dawson.cli import options
from dawson.cli.console import say, show_json, show_table
from dawson.errors import GovernanceError

if TYPE_CHECKING:
    from datetime import date

    from dawson.governance.consent import ConsentRecord

app = typer.Typer(help="What participants agreed to: a ledger that only grows.", no_args_is_help=True)


@app.command()
def add(
    study: options.Study,
    participant: Annotated[str, typer.Argument(help="As in participants.tsv, such as sub-01.", show_default=False)],
    form: Annotated[str, typer.Option("--form", help="Version of the form that was signed.", show_default=False)],
    scope: Annotated[
        list[str],
        typer.Option(
            "--scope", help="What was agreed to: GRU, HMB, DS, NCU, third-countries ...; may be given many times.", show_default=False
        ),
    ],
    given: Annotated[datetime, typer.Option("--given", help="Day of consent.", formats=["%Y-%m-%d"], show_default=False)],
    expires: Annotated[
        datetime | None, typer.Option("--expires", help="Last day on which it holds.", formats=["%Y-%m-%d"], show_default=False)
    ] = None,
    disease: Annotated[
        list[str] | None,
        typer.Option("--disease", help="With DS: MS, NMOSD or a Mondo identifier; may be given many times.", show_default=False),
    ] = None,
    country: Annotated[
        list[str] | None, typer.Option("--country", help="With GS: ISO 3166 code; may be given many times.", show_default=False)
    ] = None,
    commercial: Annotated[bool, typer.Option("--commercial", help="Commercial use was agreed to.")] = False,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", help="The signed form: its SHA-256 is kept, the file stays where it is.", show_default=False),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why an earlier record is amended.", show_default=False)] = "",
    dry_run: options.DryRun = False,
) -> None:
    """Record consent, or amend it: the last record of a person holds."""
    from pydantic import ValidationError

    from dawson.governance.consent import ConsentRecord, read_ledger
    from dawson.governance.consent_acts import evidence_digest, record_consent
    from dawson.governance.records import problems_of

    held = read_ledger(study).latest.get(participant)
    try:
        record = ConsentRecord(
            participant_id=participant,
            form=form,
            scope=tuple(scope),
            diseases=tuple(disease or ()),
            countries=tuple(country or ()),
            commercial=commercial,
            given=given.date(),
            expires=expires.date() if expires else None,
            evidence_sha256=evidence_digest(evidence) if evidence else "",
            reason=reason,
        )
    except ValidationError as error:
        raise GovernanceError(f"{participant}: {problems_of(error)}.", "See `dawson governance consent add --help`.") from None
    if not dry_run:
        record_consent(study, [record])
    earlier = f" in place of that of {held.given or held.recorded_at.date()}" if held else ""
    say(f"{'Would record' if dry_run else 'Recorded'}: {participant}, {_scopes(record)}{earlier}.")


@app.command("import")
def import_table(
    study: options.Study,
    table: Annotated[Path, typer.Argument(help="CSV with a row for each person.", show_default=False)],
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Record consent of many people from a table: all rows or none; leaves with 1 where a cell is wrong."""
    from dawson.governance.consent_acts import record_consent
    from dawson.governance.consent_table import read_consent_table

    read = read_consent_table(study, table)
    if not dry_run and not read.problems:
        record_consent(study, read.records)
    if as_json:
        recorded = 0 if dry_run or read.problems else len(read.records)
        show_json({"recorded": recorded, "unchanged": read.unchanged, "problems": [vars(problem) for problem in read.problems]})
    else:
        if read.problems:
            show_table(str(table), ["row", "column", "problem"], [[item.row, item.column, item.problem] for item in read.problems])
            say(f"Nothing was recorded: {len(read.problems)} {'cell is' if len(read.problems) == 1 else 'cells are'} wrong.")
        else:
            say(f"{'Would record' if dry_run else 'Recorded'} {len(read.records)}; {read.unchanged} are on record already.")
    if read.problems:
        raise typer.Exit(1)


@app.command("list")
def list_consent(study: options.Study, as_json: options.AsJson = False) -> None:
    """The record that holds, for everybody."""
    from dawson.governance.consent import read_ledger
    from dawson.governance.status import participants_of

    latest = read_ledger(study).latest
    people = sorted({*latest, *participants_of(study)})
    if as_json:
        show_json(
            [latest[name].model_dump(mode="json") if name in latest else {"participant_id": name, "status": "none"} for name in people]
        )
        return
    rows = [_row(name, latest.get(name)) for name in people]
    show_table("", ["participant", "consent", "scope", "given", "expires", "form"], rows)


@app.command()
def show(
    study: options.Study,
    participant: Annotated[str, typer.Argument(help="As in participants.tsv, such as sub-01.", show_default=False)],
    as_json: options.AsJson = False,
) -> None:
    """Every record of one person, oldest first."""
    from dawson.governance.consent import read_ledger

    records = [record for record in read_ledger(study).records if record.participant_id == participant]
    if as_json:
        show_json([record.model_dump(mode="json") for record in records])
        return
    if not records:
        say(f"No consent of {participant} is on record.")
        return
    rows = [
        [f"{record.recorded_at:%Y-%m-%d %H:%M}", *_row(participant, record)[1:], record.evidence_sha256[:16], record.reason]
        for record in records
    ]
    show_table(participant, ["recorded (UTC)", "consent", "scope", "given", "expires", "form", "evidence", "reason"], rows)


@app.command()
def check(
    study: options.Study,
    action: Annotated[str, typer.Option("--action", help="select, train, predict, export, analyse or annotate.")] = "train",
    purpose: Annotated[str | None, typer.Option("--purpose", help="By default the study file's.", show_default=False)] = None,
    disease: Annotated[list[str] | None, typer.Option("--disease", help="By default the study file's.", show_default=False)] = None,
    country: Annotated[str | None, typer.Option("--country", help="Where the data would be used.", show_default=False)] = None,
    commercial: Annotated[bool, typer.Option("--commercial", help="The use would be commercial.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Anybody would see the data.")] = False,
    at: Annotated[
        datetime | None, typer.Option("--at", help="On this day; by default now.", formats=["%Y-%m-%d"], show_default=False)
    ] = None,
    config_file: options.Config = None,
    as_json: options.AsJson = False,
) -> None:
    """Who may be used for something, who may not, and why; uses nobody's data and writes no log."""
    from dawson.cli.study_file import find_config
    from dawson.governance.consent import read_ledger
    from dawson.governance.gate import rule, use_of
    from dawson.governance.status import counted, participants_of

    config = find_config(study, named=config_file).governance
    changes: dict[str, Any] = {"purpose": purpose, "diseases": tuple(disease) if disease else None, "country": country}
    changes = {name: value for name, value in changes.items() if value is not None}
    use = use_of(config, action, **changes, commercial=commercial or config.commercial, public=public)  # type: ignore[arg-type]
    people = participants_of(study) or sorted(read_ledger(study).latest)
    # Asked as if consent were managed, so that a study can be looked at before that is switched on.
    ruling = rule(study, people, use, managed=True, at=at.replace(tzinfo=UTC) if at else None, record=False)
    if as_json:
        show_json({"allowed": ruling.allowed, "refused": ruling.refused})
        return
    if ruling.refused:
        show_table("Refused", ["participant", "why"], list(ruling.refused.items()))
    say(f"{len(ruling.allowed)} of {len(people)} people may be used to {action} for {use.purpose}.")
    for reason, number in counted(ruling.refused).items():
        say(f"{number} refused: {reason}.")
    if not config.managed:
        say("Consent is not managed in this study: set [governance] managed = true, or nobody asks.")


def _row(name: str, record: ConsentRecord | None) -> list[Any]:
    if record is None:
        return [name, "none", "", "", "", ""]
    return [name, _state(record), _scopes(record), record.given, record.expires, record.form]


def _state(record: ConsentRecord) -> str:
    today: date = datetime.now(UTC).date()
    if record.status == "given" and record.expires is not None and record.expires < today:
        return "expired"
    return record.status


def _scopes(record: ConsentRecord) -> str:
    from dawson.governance.diseases import disease_name
    from dawson.governance.scopes import terms

    words = [terms()[code].short for code in record.scope]
    words += [disease_name(code) for code in record.diseases] + list(record.countries)
    return ", ".join([*words, *(["commercial"] if record.commercial else [])])
