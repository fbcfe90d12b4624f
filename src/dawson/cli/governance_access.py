"""`dawson governance access`: who may do what with a study."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from dawson.cli import options
from dawson.cli.console import say, show_json, show_table

app = typer.Typer(help="Who may do what with a study: roles, people, agreements.", no_args_is_help=True)


@app.command()
def init(study: options.Study) -> None:
    """Write a policy file to fill in, with every entry explained."""
    from dawson.cli.study_file import find_config
    from dawson.governance.access_template import write_policy_template
    from dawson.governance.audit import current_user

    path = write_policy_template(study, find_config(study).governance.country, current_user())
    say(f"Access policy to fill in: {path}")


@app.command("list")
def list_access(study: options.Study, as_json: options.AsJson = False) -> None:
    """The people of the study, and the agreements with recipients outside."""
    from dawson.governance.access import read_policy

    policy = read_policy(study)
    if as_json:
        show_json(policy.model_dump(mode="json"))
        return
    rows = [[person.name, person.role, ", ".join(policy.roles[person.role].may), person.until] for person in policy.people]
    show_table("People", ["account", "role", "may", "until"], rows)
    today = datetime.now(UTC).date()
    shown = [
        [
            item.id,
            item.recipient,
            f"{item.institution} ({item.country})",
            ", ".join(item.purposes),
            "yes" if item.commercial else "no",
            item.signed,
            f"{item.expires}{' (expired)' if item.expires < today else ''}",
        ]
        for item in policy.agreements
    ]
    show_table("Agreements", ["id", "recipient", "institution", "purposes", "commercial", "signed", "expires"], shown)


@app.command()
def check(
    study: options.Study,
    person: Annotated[str, typer.Option("--person", help="An account of the study, a recipient or an agreement.", show_default=False)],
    action: Annotated[str, typer.Option("--action", help="select, train, predict, export, analyse or annotate.")] = "export",
    purpose: Annotated[str | None, typer.Option("--purpose", help="By default the study file's.", show_default=False)] = None,
    country: Annotated[str, typer.Option("--country", help="Where the data would be used.", show_default=False)] = "",
    commercial: Annotated[bool, typer.Option("--commercial", help="The use would be commercial.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Anybody would see the data.")] = False,
    at: Annotated[
        datetime | None, typer.Option("--at", help="On this day; by default now.", formats=["%Y-%m-%d"], show_default=False)
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """May somebody do this, by role or by agreement; leaves with 1 where not."""
    from dawson.cli.study_file import find_config
    from dawson.governance.access import Agreement, agreement_for, read_policy, role_refused
    from dawson.governance.gate import checked, use_of

    config = find_config(study).governance
    changes = {"country": country, "commercial": commercial, "public": public} | ({"purpose": purpose} if purpose else {})
    use = checked(use_of(config, action, **changes))  # type: ignore[arg-type]
    moment = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    reason = role_refused(read_policy(study), person, use.action, moment)
    agreement = agreement_for(study, person, use, moment)
    by_role, by_agreement = not reason, isinstance(agreement, Agreement)
    why = [] if by_role else [reason]
    why += [] if isinstance(agreement, Agreement) else [agreement.reason]
    if as_json:
        found = agreement.id if isinstance(agreement, Agreement) else ""
        show_json({"allowed": by_role or by_agreement, "by_role": by_role, "agreement": found, "reasons": why})
    elif isinstance(agreement, Agreement):
        say(f"Yes, under the agreement {agreement.id} with {agreement.recipient}, {agreement.institution}, until {agreement.expires}.")
    elif by_role:
        say(f"Yes, by role: {person} may {action}.{' A recipient outside needs an agreement.' if action == 'export' else ''}")
    else:
        say(f"No: {'; '.join(why)}.")
    if not (by_role or by_agreement):
        raise typer.Exit(1)
