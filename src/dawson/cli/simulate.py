"""`dawson simulate`: patients that never were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dawson.cli import options
from dawson.cli.console import say, show_json, show_table
from dawson.errors import ConfigError

if TYPE_CHECKING:
    from dawson.simulation.people import CohortPlan

app = typer.Typer(help="Simulated cohorts with known truth.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Simulated cohorts with known truth."""


@app.command()
def cohort(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="New folder for the BIDS dataset.", show_default=False)],
    ms: Annotated[int, typer.Option("--ms", min=0, help="Patients with MS.")] = 30,
    nmosd: Annotated[int, typer.Option("--nmosd", min=0, help="Patients with NMOSD.")] = 30,
    mogad: Annotated[int, typer.Option("--mogad", min=0, help="Patients with MOGAD.")] = 0,
    healthy: Annotated[int, typer.Option("--healthy", min=0, help="Healthy controls.")] = 0,
    like: Annotated[str | None, typer.Option("--like", help="seok2023: size and shape of the paper's cohort.", show_default=False)] = None,
    profile: Annotated[str, typer.Option("--profile", help="Population: korea, uk (easy) or taiwan (hard).")] = "korea",
    hardness: Annotated[
        float | None,
        typer.Option("--hardness", help="0 (uk) to 1 (taiwan), in place of a population.", show_default=False),
    ] = None,
    site: Annotated[
        list[str] | None,
        typer.Option("--site", help="Scanner; may be given many times. [default: A, B, C; A with --like]", show_default=False),
    ] = None,
    site_bias: Annotated[
        float, typer.Option("--site-bias", min=0, max=1, help="0: site and diagnosis are independent; 1: a site each.")
    ] = 0.0,
    matched: Annotated[bool, typer.Option("--matched", help="Age and sex alike in all diagnoses.")] = False,
    lesions: Annotated[bool, typer.Option(help="Draw lesions.")] = True,
    atrophy: Annotated[bool, typer.Option(help="Draw disease-related atrophy.")] = True,
    space: Annotated[str, typer.Option("--space", help="template: brains in MNI space; native: raw heads.")] = "template",
    thickness_mm: Annotated[
        float | None, typer.Option("--thickness-mm", help="Slice thickness of FLAIR; by default the site's.", show_default=False)
    ] = None,
    rater: Annotated[
        list[str] | None,
        typer.Option("--rater", help="Draw lesion masks as expert, volunteer or careless; may be given many times.", show_default=False),
    ] = None,
    seed: options.Seed = 0,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    dry_run: options.DryRun = False,
) -> None:
    """Make a cohort of simulated patients as a valid BIDS dataset."""
    from dawson.simulation.cohort import simulate_cohort
    from dawson.simulation.people import SITES, plan_cohort, seok2023_plan
    from dawson.simulation.rater_masks import simulate_raters
    from dawson.simulation.raters import RATERS

    if like not in (None, "seok2023"):
        raise ConfigError(f"--like {like} is not known.", "Known: seok2023.")
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    numbers = [f"--{name}" for name in ("ms", "nmosd", "mogad", "healthy") if name in given]
    if like and numbers:
        raise ConfigError(f"--like {like} sets the numbers of patients, and so does {numbers[0]}.", "Give one of them.")
    if hardness is not None and "profile" in given:
        raise ConfigError("--hardness stands in place of a population, and --profile names one.", "Give one of them.")
    unknown = [name for name in rater or [] if name not in RATERS]
    if unknown:
        raise ConfigError(f"--rater {unknown[0]} is not known.", f"Known: {', '.join(RATERS)}.")
    raters = {str(number): RATERS[name] for number, name in enumerate(rater or [], start=1)}
    settings: dict[str, Any] = {
        "profile": profile,
        "hardness": hardness,
        "matched": matched,
        "site_bias": site_bias,
        "lesions": lesions,
        "atrophy": atrophy,
    }
    if like:
        plan = seok2023_plan(seed, sites=tuple(site or "A"), **settings)
    else:
        counts = {name: count for name, count in {"MS": ms, "NMOSD": nmosd, "MOGAD": mogad, "healthy": healthy}.items() if count}
        plan = plan_cohort(counts, seed=seed, sites=tuple(site or SITES), **settings)
    if dry_run:
        _show(plan)
        return
    written = simulate_cohort(out, plan, seed=seed, space=space, jobs=jobs, thickness_mm=thickness_mm, dask=dask)  # type: ignore[arg-type]
    if raters:
        simulate_raters(written, raters, seed, jobs)
    say(f"Simulated cohort: {written}")


def _show(plan: CohortPlan) -> None:
    rows = [[person.participant_id, person.diagnosis, person.site, person.sex, person.age, len(person.visits)] for person in plan.people]
    show_table("Would be simulated", ["participant", "diagnosis", "site", "sex", "age", "scans"], rows)


@app.command()
def dicom(
    folder: Annotated[Path, typer.Argument(metavar="COHORT", help="A simulated cohort of raw heads (--space native).", show_default=False)],
    out: Annotated[Path, typer.Argument(help="New folder for the DICOM files.", show_default=False)],
    extras: Annotated[bool, typer.Option(help="Also a localizer, a reformatted series, a screen capture and an unclear series.")] = True,
    seed: options.Seed = 0,
) -> None:
    """Write a simulated cohort as DICOM with invented names, as a scanner's archive would export it."""
    from dawson.simulation.dicom import write_dicom

    written = write_dicom(folder, out, seed=seed, extras=extras)
    say(f"Simulated DICOM: {written}. Every name in it is invented.")


@app.command()
def describe(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="A simulated cohort.", show_default=False)],
    real: Annotated[
        Path | None,
        typer.Option("--real", help="Folder of lesion masks of real people with MS in MNI space, to compare with.", show_default=False),
    ] = None,
    out: options.Out = None,
    jobs: options.Jobs = 0,
    as_json: options.AsJson = False,
) -> None:
    """Compare a simulated cohort with the population it was drawn from: tables, figures, lesion maps."""
    from dawson.report.simulation import write_cohort_description
    from dawson.simulation.describe import describe_cohort

    found = describe_cohort(folder, real, jobs)
    page = write_cohort_description(folder, real, out, jobs=jobs, described=found)
    if as_json:
        show_json({**found.summary(), "page": str(page)})
        return
    rows = [
        [
            row["diagnosis"],
            " ".join(part for part in (row["what"], row["name"], row["status"]) if part),
            f"{row['published']:.1%}",
            f"{row['share']:.1%}",
            row["n"],
            "" if row["fits"] is None else "yes" if row["fits"] else "no",
        ]
        for row in found.summary()["frequencies"]
    ]
    show_table(found.cohort.name, ["diagnosis", "frequency", "published", "simulated", "of", "fits"], rows)
    for name, agreed in found.agreements.items():
        say(
            f"Lesion map of simulated {name} against that of real people with MS: correlation "
            f"{agreed.estimate:.2f} ({agreed.low:.2f}-{agreed.high:.2f})."
        )
    say(f"Description: {page}")
