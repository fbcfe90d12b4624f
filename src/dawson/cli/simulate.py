"""`dawson simulate`: patients that never were."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawson.cli import options
from dawson.cli.console import say, show_table
from dawson.errors import ConfigError

app = typer.Typer(help="Simulated cohorts with known truth.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Simulated cohorts with known truth."""


@app.command()
def cohort(
    out: Annotated[Path, typer.Argument(help="New folder for the BIDS dataset.", show_default=False)],
    ms: Annotated[int, typer.Option("--ms", min=0, help="Patients with MS.")] = 30,
    nmosd: Annotated[int, typer.Option("--nmosd", min=0, help="Patients with NMOSD.")] = 30,
    like: Annotated[str | None, typer.Option("--like", help="seok2023: size and shape of the paper's cohort.", show_default=False)] = None,
    space: Annotated[str, typer.Option("--space", help="template: brains in MNI space; native: raw heads.")] = "template",
    thickness_mm: Annotated[float, typer.Option("--thickness-mm", help="Slice thickness of native FLAIR.")] = 3.0,
    seed: options.Seed = 0,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    dry_run: options.DryRun = False,
) -> None:
    """Make a cohort of simulated patients as a valid BIDS dataset."""
    from dawson.simulation.cohort import simulate_cohort
    from dawson.simulation.people import plan_cohort, seok2023_plan

    if like not in (None, "seok2023"):
        raise ConfigError(f"--like {like} is not known.", "Known: seok2023.")
    plan = seok2023_plan(seed) if like else plan_cohort({"MS": ms, "NMOSD": nmosd}, seed=seed)
    if dry_run:
        rows = [[person.participant_id, person.diagnosis, person.sex, person.age, len(person.visits)] for person in plan.people]
        show_table("Would be simulated", ["participant", "diagnosis", "sex", "age", "scans"], rows)
        return
    written = simulate_cohort(out, plan, seed=seed, space=space, jobs=jobs, thickness_mm=thickness_mm, dask=dask)  # type: ignore[arg-type]
    say(f"Simulated cohort: {written}")
