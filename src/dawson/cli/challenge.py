"""`dawson challenge`: make a challenge from a study, take answers, score them, rank them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dawson.cli import options
from dawson.cli.console import say, say_whose, show_json, show_refused, show_table

if TYPE_CHECKING:
    from dawson.challenge.checking import AnswerCheck
    from dawson.challenge.entries import Entry

app = typer.Typer(no_args_is_help=True, help="Analysis challenges: hidden truth, checked answers, honest ranks.")

Challenge = Annotated[Path, typer.Argument(help="Folder of the challenge.", show_default=False)]
PhaseName = Annotated[str | None, typer.Option("--phase", help="Phase; by default the one that is open.", show_default=False)]
_SHOWN_PROBLEMS = 20


@app.command("new")
def new(
    study: options.Study,
    out: Annotated[Path, typer.Option("--out", help="New folder for the challenge, outside the study.", show_default=False)],
    task: Annotated[str, typer.Option("--task", help="What is asked; `dawson challenge tasks` lists them.")] = "lesion-segmentation",
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target", help="For tables: a column of the study to tell, or a class; may be given many times.", show_default=False
        ),
    ] = None,
    maker: Annotated[str, typer.Option("--maker", help="Whose masks are the truth (desc-).")] = "expert",
    title: Annotated[str, typer.Option("--title", help="What the challenge is called.", show_default=False)] = "",
    organiser: Annotated[str, typer.Option("--organiser", help="Who answers for it.")] = "the organiser",
    licence: Annotated[str, typer.Option("--licence", help="Licence of the data that are handed out.")] = "CC-BY-NC-4.0",
    data_statement: Annotated[
        str, typer.Option("--data-statement", help="Where the data come from and who agreed, in a sentence.", show_default=False)
    ] = "",
    days: Annotated[
        int, typer.Option("--days", min=1, help="Days for which the open phase takes entries; the final one takes the last week.")
    ] = 90,
    test_share: Annotated[float, typer.Option("--test-share", min=0.05, max=0.95, help="Share of the people who are tested.")] = 0.5,
    where: options.Where = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of who is in which part; drawn secretly by default.", min=0, show_default=False)
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Make a challenge: a public folder to hand out, a hidden one with the truth, and challenge.toml with its rules."""
    from dawson.challenge.build import build_challenge, plan_challenge
    from dawson.challenge.cases import Shares
    from dawson.challenge.draft import draft_settings
    from dawson.challenge.task import task_named
    from dawson.cli.study_file import find_config
    from dawson.cohort.licences import find_licence

    chosen = task_named(task)
    terms = find_licence(licence)
    plan = plan_challenge(
        study, chosen, find_config(study, None), targets=target or (), maker=maker, where=where or "", shares=Shares(test=test_share),
        seed=seed,
    )  # fmt: skip
    show_refused(plan.refused)
    counts = plan.counts()
    if dry_run:
        if as_json:
            show_json({"parts": counts, "left_out": plan.left_out, "refused": len(plan.refused)})
        else:
            show_table("Would be made", ["part", "people", "cases"], [[part, *numbers] for part, numbers in counts.items()])
            _show_left_out(plan.left_out)
        return
    settings = draft_settings(
        plan, title=title, organiser=organiser, licence=terms.identifier, data_statement=data_statement, days=days, at=datetime.now(UTC)
    )
    folder = build_challenge(plan, out, settings)
    if as_json:
        show_json({"challenge": str(folder), "parts": counts, "left_out": plan.left_out})
        return
    show_table("Cases", ["part", "people", "cases"], [[part, *numbers] for part, numbers in counts.items()])
    _show_left_out(plan.left_out)
    say(f"Rules: {folder / 'challenge.toml'} (phases, quotas, metrics: change them before it begins)")
    say(f"To hand out: {folder / 'public'}. Keep hidden: {folder / 'hidden'}.")
    say_whose(simulated=plan.cohort.simulated)


@app.command("tasks")
def tasks(as_json: options.AsJson = False) -> None:
    """List what a challenge may ask, with the metrics of each task."""
    from dawson.challenge.task import TASKS, task_named

    found = [task_named(name) for name in TASKS]
    if as_json:
        show_json([{"task": task.name, "title": task.title, "metrics": [metric.name for metric in task.metrics]} for task in found])
        return
    rows = [[task.name, task.title, task.answer, ", ".join(metric.name for metric in task.metrics)] for task in found]
    show_table("Tasks", ["task", "what is asked", "answer", "metrics"], rows)


@app.command("submit")
def submit(
    challenge: Challenge,
    answer: Annotated[Path, typer.Argument(help="Zip of masks, or table.", show_default=False)],
    team: Annotated[str, typer.Option("--team", help="Who hands it in.", show_default=False)],
    method: Annotated[str, typer.Option("--method", help="What it is, in a few words.")] = "",
    phase: PhaseName = None,
    reference: Annotated[bool, typer.Option("--reference", help="An entry of the organiser, out of competition.")] = False,
    no_score: Annotated[bool, typer.Option("--no-score", help="Only keep it; score later.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the answer; nothing is handed in.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Hand in an answer: it is kept as it is, checked case by case, and scored."""
    from dawson.challenge.entries import take_entry
    from dawson.challenge.scoring import check_answer, read_check, score_entry
    from dawson.challenge.settings import read_challenge

    settings = read_challenge(challenge)
    if dry_run:
        check = check_answer(challenge, settings, settings.phase(phase).name, answer)
        _show_check(check, as_json)
        raise typer.Exit(0 if check.is_valid else 1)
    entry = take_entry(challenge, settings, answer, team, method=method, phase=phase, reference=reference)
    if not no_score:
        entry = score_entry(challenge, entry.entry_id)
    found = read_check(challenge, entry.entry_id)
    if as_json:
        show_json({"entry": entry.entry_id, "state": entry.state, "reason": entry.reason, "check": None if found is None else vars(found)})
    else:
        say(f"Entry {entry.entry_id} of {entry.team} in phase {entry.phase}: {entry.state}. {entry.reason}".rstrip())
        if found is not None and (found.problems or found.missing or found.notes):
            _show_check(found, as_json=False)
        say_whose(simulated=settings.challenge.simulated)
    if entry.state in ("refused", "failed"):
        raise typer.Exit(1)


@app.command("run")
def run(
    challenge: Challenge,
    image: Annotated[str, typer.Argument(help="Container image that reads /input and writes /output.", show_default=False)],
    team: Annotated[str, typer.Option("--team", help="Who hands it in.", show_default=False)],
    method: Annotated[str, typer.Option("--method", help="What it is, in a few words.")] = "",
    phase: PhaseName = None,
    program: Annotated[str, typer.Option("--program", help="docker or podman; what is installed by default.", show_default=False)] = "",
    gpus: Annotated[bool, typer.Option("--gpus", help="Let it use the GPUs.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Run a team's container on the test images, without network or truth, and hand in what it writes."""
    from dawson.challenge.containers import container_answer
    from dawson.challenge.settings import read_challenge

    settings = read_challenge(challenge)
    # before hours of computing: is there a phase at all
    stage = settings.phase(phase).name
    with container_answer(challenge, settings, image, program=program, gpus=gpus) as answer:
        submit(challenge, answer, team, method=method, phase=stage, reference=False, no_score=False, dry_run=False, as_json=as_json)


@app.command("reference")
def reference(challenge: Challenge, jobs: options.Jobs = 1, as_json: options.AsJson = False) -> None:
    """Hand in what Dawson's own methods answer, out of competition, in every phase, and score it: for participants to compare with."""
    from dawson.challenge.references import hand_in_references
    from dawson.challenge.scoring import score_entry
    from dawson.challenge.settings import read_challenge
    from dawson.parallel import resolve_jobs

    settings = read_challenge(challenge)
    taken = hand_in_references(challenge, settings, resolve_jobs(jobs))
    done = [score_entry(challenge, entry.entry_id) for entry in taken]
    if as_json:
        show_json([vars(one) for one in done])
        return
    show_table(
        "References", ["entry", "team", "phase", "state", "method"], [[o.entry_id, o.team, o.phase, o.state, o.method] for o in done]
    )
    if not done:
        say("All of them are there already.")
    say_whose(simulated=settings.challenge.simulated)


@app.command("score")
def score(
    challenge: Challenge,
    entry: Annotated[
        list[str] | None, typer.Option("--entry", help="Only this entry; may be given many times.", show_default=False)
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what is scored already.")] = False,
    jobs: options.Jobs = 1,
    as_json: options.AsJson = False,
) -> None:
    """Score the entries that wait, or broke off."""
    from functools import partial

    from dawson.challenge.entries import read_entries, read_entry
    from dawson.challenge.scoring import score_entry
    from dawson.parallel import each, resolve_jobs
    from dawson.progress import progress

    every = [read_entry(challenge, name) for name in entry] if entry else read_entries(challenge)
    waiting = [one.entry_id for one in every if again or entry or one.state in ("received", "failed")]
    done: list[Entry] = []
    with progress("Scoring", len(waiting)) as advance:
        for one in each(partial(score_entry, challenge), waiting, resolve_jobs(jobs)):
            done.append(one)
            advance(one.team)
    if as_json:
        show_json([vars(one) for one in done])
    else:
        show_table(
            "Entries", ["entry", "team", "phase", "state", "reason"], [[o.entry_id, o.team, o.phase, o.state, o.reason] for o in done]
        )
    if any(one.state == "failed" for one in done):
        raise typer.Exit(1)


@app.command("rank")
def rank(
    challenge: Challenge,
    phase: PhaseName = None,
    organiser: Annotated[
        bool, typer.Option("--organiser", help="Also while scores are hidden, and case by case; written below hidden/.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Write the leaderboard of a phase: page, table and JSON."""
    from dawson.challenge.leaderboard import make_leaderboard
    from dawson.challenge.settings import read_challenge
    from dawson.report.challenge_page import leaderboard_json, leaderboard_table, write_leaderboard

    settings = read_challenge(challenge)
    stage = settings.phase(phase) if phase else settings.phases[0]
    board = make_leaderboard(challenge, settings, stage.name, organiser=organiser)
    page = write_leaderboard(challenge, settings, board, organiser=organiser)
    if as_json:
        show_json(leaderboard_json(settings, board) | {"page": str(page)})
        return
    table = leaderboard_table(settings, board)
    shown = ["rank", "team", "method", *settings.metrics]
    show_table(f"{settings.challenge.title}, phase {stage.name}", shown, table[shown].to_numpy().tolist())
    say(f"Page: {page}")
    say_whose(simulated=settings.challenge.simulated)


@app.command("certificate")
def certificate(
    challenge: Challenge,
    entry: Annotated[str, typer.Argument(help="Entry on the leaderboard.", show_default=False)],
) -> None:
    """Write a signed statement of how an entry did."""
    from dawson.challenge.certificate import write_certificate
    from dawson.challenge.entries import read_entry
    from dawson.challenge.leaderboard import make_leaderboard
    from dawson.challenge.settings import read_challenge

    settings = read_challenge(challenge)
    board = make_leaderboard(challenge, settings, read_entry(challenge, entry).phase)
    say(f"Certificate: {write_certificate(challenge, settings, board, entry)}")


def _show_left_out(left_out: dict[str, str]) -> None:
    if left_out:
        name, reason = next(iter(left_out.items()))
        say(f"{len(left_out)} sessions are no case, the first {name}: {reason}")


def _show_check(check: AnswerCheck, as_json: bool) -> None:
    if as_json:
        show_json(vars(check) | {"valid": check.is_valid})
        return
    say(f"{len(check.present)} cases answered, {len(check.missing)} missing, {len(check.problems)} problems.")
    rows = [[name, problem] for name, problem in list(check.problems.items())[:_SHOWN_PROBLEMS]]
    if rows:
        show_table("Problems", ["case or file", "what is wrong"], rows)
    if check.missing:
        say(f"Missing cases count as the worst answer: {', '.join(check.missing[:5])}{' ...' if len(check.missing) > 5 else ''}")
    for note in check.notes[:_SHOWN_PROBLEMS]:
        say(note)
