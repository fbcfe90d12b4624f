"""`dawson lesions`: find lesions, measure them, follow them, combine what many hands drew, and train the network that finds them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dawson.cli import options
from dawson.cli.console import say, show_json, show_refused, show_table
from dawson.cli.people import asked_participants
from dawson.cli.study_file import find_config
from dawson.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from dawson.cohort.dataset import Cohort
    from dawson.config import StudyConfig

app = typer.Typer(no_args_is_help=True, help="Lesions: found, measured, followed, agreed on.")

Makers = Annotated[
    list[str] | None,
    typer.Option("--maker", help="Only masks by this maker (desc-), such as expert; may be given many times.", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="Make again what an earlier run made.")]


@app.command("segment")
def segment(
    study: options.Study,
    by: Annotated[str, typer.Option("--with", help="Segmenter: dawson (network), classical, lstai or mindglide.")] = "dawson",
    model: Annotated[Path | None, typer.Option("--model", help="A lesion model folder, for --with dawson.", show_default=False)] = None,
    out: options.Out = None,
    participant: options.Participants = None,
    where: options.Where = None,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    force: Force = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Find the lesions of every preprocessed scan; a second run does only what is missing."""
    from dawson.cohort.consent import remember_results
    from dawson.lesions.segment import segment_study

    cohort, config, derivatives = _asked(study, out, participant, where, record=not dry_run)
    if dry_run:
        _show_scans("Would be segmented", cohort)
        return
    remember_results(study, out or study, config.governance)
    table = segment_study(cohort.scans, derivatives, by, jobs, root=cohort.root, model=model, force=force, dask=dask)
    if as_json:
        show_json({"scans": table.to_dict("records")})
    else:
        done = table[table["status"] == "done"]
        _show_failed(table)
        say(f"{len(done)} of {len(table)} scans done, lesion volume {_median(done['lesion_ml'])} mL in the median. Research use only.")
        say(f"Masks: {derivatives}/sub-*/**/*_label-lesion_desc-{by}_mask.nii.gz. Next: dawson lesions measure {study}")
    _stop_where_nothing_worked(table)


@app.command("measure")
def measure(
    study: options.Study,
    maker: Makers = None,
    brain_change: Annotated[
        bool, typer.Option("--brain-change", help="Also the change of brain volume between sessions: half a minute or more for each pair.")
    ] = False,
    out: options.Out = None,
    participant: options.Participants = None,
    where: options.Where = None,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    force: Force = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Count and measure the lesions of every mask, and the brain around them: lesions.tsv."""
    from dawson.cohort.consent import remember_results
    from dawson.cohort.derivative_roots import derivative_roots
    from dawson.lesions.measure import measure_study
    from dawson.lesions.measure_columns import TABLE
    from dawson.report.lesion_pages import write_lesions_page

    cohort, config, derivatives = _asked(study, out, participant, where, record=not dry_run)
    if dry_run:
        _show_scans("Would be measured", cohort)
        return
    remember_results(study, out or study, config.governance)
    roots = derivative_roots(cohort.root, derivatives)
    preference = config.comparators.masks
    table = measure_study(
        cohort.scans, roots, derivatives, preference, maker or (), jobs, dask=dask, brain_change=brain_change, force=force
    )
    page = write_lesions_page(cohort, derivatives, roots, jobs)
    if as_json:
        show_json({"table": str(derivatives / TABLE), "page": str(page), "rows": table.to_dict("records")})
    else:
        done = table[table["status"] == "done"]
        _show_failed(table)
        rows = [
            [name, len(part), _median(part["lesions"]), _median(part["total_ml"]), int(part["mcdonald_dis"].astype(bool).sum())]
            for name, part in done.groupby("maker")
        ]
        show_table("Lesion masks (medians over scans)", ["maker", "scans", "lesions", "volume, mL", "McDonald space, scans"], rows)
        say(f"Table: {derivatives / TABLE}")
        say(f"Page: {page}")
    _stop_where_nothing_worked(table)


@app.command("change")
def change(
    study: options.Study,
    maker: Annotated[
        str | None, typer.Option("--maker", help="Whose masks (desc-); by default the first of [comparators] masks.", show_default=False)
    ] = None,
    detector: Annotated[
        str, typer.Option("--detector", help="subtraction: a change in the masks must show in the scans; masks: believe the masks.")
    ] = "subtraction",
    out: options.Out = None,
    participant: options.Participants = None,
    where: options.Where = None,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    force: Force = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Follow lesions from session to session: new, enlarging, shrinking, resolved, stable."""
    from dawson.cohort.consent import remember_results
    from dawson.cohort.derivative_roots import derivative_roots
    from dawson.lesions.change import change_study
    from dawson.lesions.change_detection import ChangeSettings
    from dawson.lesions.change_table import TABLE
    from dawson.report.lesion_pages import write_changes_page

    cohort, config, derivatives = _asked(study, out, participant, where, record=not dry_run)
    who, masks = _masks_of_one_maker(cohort, derivative_roots(cohort.root, derivatives), maker, config)
    if dry_run:
        _show_scans(f"Would be followed by the masks of {who or 'nobody (by subtraction alone)'}", cohort)
        return
    remember_results(study, out or study, config.governance)
    settings = ChangeSettings(detector=detector)
    registration, spacing = config.preprocess.registration, config.preprocess.registration_mm
    table = change_study(
        cohort, derivatives, masks, who or "scans", settings,
        jobs=jobs, dask=dask, force=force, registration=registration, registration_mm=spacing,
    )  # fmt: skip
    page = write_changes_page(cohort, derivatives)
    if as_json:
        show_json({"table": str(derivatives / TABLE), "page": str(page), "pairs": table.to_dict("records")})
    else:
        _show_failed(table)
        done = table[(table["status"] == "done") & (table["pair"] == "consecutive")]
        new = f"{int((done['n_new'] > 0).sum())} with new lesions" if len(done) else "none compared"
        say(f"{len(done)} pairs of following sessions, {new}. Research use only.")
        say(f"Table: {derivatives / TABLE}")
        say(f"Page: {page}")
    _stop_where_nothing_worked(table)


@app.command("consensus")
def consensus(
    study: options.Study,
    of: Annotated[str, typer.Option("--of", help="raters: masks that people drew; segmenters: masks that programs made.")] = "raters",
    method: Annotated[
        str | None,
        typer.Option("--method", help="staple or majority; for raters also soft, for segmenters also mean.", show_default=False),
    ] = None,
    maker: Makers = None,
    out: options.Out = None,
    participant: options.Participants = None,
    where: options.Where = None,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    seed: options.Seed = 0,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """One mask from many; of raters also how far each agrees with the others, and who is an outlier."""
    from dawson.cohort.consent import remember_results
    from dawson.cohort.derivative_roots import derivative_roots

    if of not in ("raters", "segmenters"):
        raise ConfigError(f"There is no consensus of {of!r}.", "Give --of raters or --of segmenters.")
    if of == "raters" and maker:
        raise ConfigError("--maker chooses among programs; the masks of all raters take part.", "Leave it out, or give --of segmenters.")
    cohort, config, derivatives = _asked(study, out, participant, where, record=not dry_run)
    if dry_run:
        _show_scans(f"Would get a consensus of {of}", cohort)
        return
    remember_results(study, out or study, config.governance)
    roots = derivative_roots(cohort.root, derivatives)
    if of == "segmenters":
        from dawson.lesions.segmenter_consensus import SEGMENTERS, combine_study

        table = combine_study(
            cohort.scans,
            derivatives,
            maker or SEGMENTERS,
            method or "mean",  # type: ignore[arg-type]
            jobs,
            root=cohort.root,
            dask=dask,
        )
        raters, picture = None, None
    else:
        from dawson.lesions.consensus import consensus_of_study
        from dawson.lesions.rater_picture import draw_raters
        from dawson.lesions.raters import rate_raters

        chosen = method or "staple"
        table = consensus_of_study(cohort.scans, roots, derivatives, chosen, jobs, dask)  # type: ignore[arg-type]
        raters = rate_raters(cohort.scans, roots, derivatives, chosen, jobs, dask, seed)  # type: ignore[arg-type]
        picture = draw_raters(cohort.scans, roots, derivatives)
    if as_json:
        show_json({"scans": table.to_dict("records"), "raters": None if raters is None else raters.to_dict("records")})
    else:
        _show_failed(table)
        if raters is not None:
            _show_raters(raters)
            say(f"Tables: {derivatives / 'raters.tsv'}, rater_scans.tsv, rater_agreement.tsv. Picture: {picture}")
        say(f"{int(table['status'].isin(('done', 'kept')).sum())} of {len(table)} scans have a consensus mask (desc-consensus).")
    _stop_where_nothing_worked(table)


@app.command("train")
def train(
    studies: Annotated[list[Path], typer.Argument(help="Studies with lesion masks to learn from.", show_default=False)],
    model: Annotated[Path, typer.Option("--model", help="Folder of the model to write.", show_default=False)],
    recipe: Annotated[Path | None, typer.Option("--recipe", help="Recipe in TOML; else the shipped model's.", show_default=False)] = None,
    start: Annotated[
        Path | None, typer.Option("--start", help="A model to start from, to fine-tune it on a site's own masks.", show_default=False)
    ] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", min=1, help="Stop learning after this time.", show_default=False)] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew rather than go on.")] = False,
    jobs: options.Jobs = 0,
    seed: options.Seed = 0,
    dry_run: options.DryRun = False,
) -> None:
    """Train the lesion network on the masks of one study or more; stopped at any moment, the same command goes on."""
    from dawson.lesions.model_training import train_lesion_model
    from dawson.lesions.recipe import read_recipe
    from dawson.lesions.scan_images import find_truth
    from dawson.lesions.training_data import training_study

    chosen = read_recipe(recipe)
    found = [training_study(study) for study in studies]
    if dry_run:
        rows = [[one.name, len(one.scans), sum(bool(find_truth(scan, one.roots, chosen.makers)[1]) for scan in one.scans)] for one in found]
        show_table("Would be learnt from", ["study", "scans", "with masks"], rows)
        return
    path = train_lesion_model(found, model, chosen, seed=seed, minutes=minutes, jobs=jobs, resume=not restart, start=start)
    say((path / "card.md").read_text(encoding="utf-8"))
    say(f"Model: {path}. Use it with: dawson lesions segment STUDY --model {path}")


def _asked(
    study: Path, out: Path | None, participant: list[str] | None, where: str | None, record: bool
) -> tuple[Cohort, StudyConfig, Path]:
    """The cohort with the people that were asked for and may be used, the study file, and where derivatives go."""
    from dataclasses import replace

    from dawson.cohort.consent import permitted
    from dawson.cohort.dataset import read_cohort
    from dawson.quality.decisions import excluded

    config = find_config(study, out)
    derivatives = (out or study) / "derivatives" / "dawson"
    cohort = read_cohort(study)
    cohort = cohort.select(where) if where else cohort
    cohort, refused = permitted(cohort, config.governance, "analyse", record=record)
    show_refused(refused)
    wanted = asked_participants(participant, cohort, refused)
    bad = excluded(derivatives, config.quality.exclude)
    scans = tuple(
        scan for scan in cohort.scans if (scan.participant_id, scan.session_id) not in bad and (not wanted or scan.participant_id in wanted)
    )
    return replace(cohort, scans=scans), config, derivatives


def _masks_of_one_maker(
    cohort: Cohort, roots: tuple[Path, ...], maker: str | None, config: StudyConfig
) -> tuple[str, dict[tuple[str, str], Path]]:
    """One maker and the masks of his or hers: masks of two makers differ for other reasons than time."""
    from dawson.cohort.lesion_masks import masks_by_maker

    own = {(scan.participant_id, scan.session_id): masks_by_maker(scan, roots) for scan in cohort.scans}
    makers = {name for found in own.values() for name in found}
    if maker is not None and maker not in makers:
        raise ConfigError(
            f"No scan has a lesion mask by {maker!r} in template space.", f"There are: {', '.join(sorted(makers)) or 'none'}."
        )
    order = [name for name in config.comparators.masks if name in makers] + sorted(makers)
    who = maker or (order[0] if order else "")
    return who, {key: found[who] for key, found in own.items() if who in found}


def _show_scans(title: str, cohort: Cohort) -> None:
    show_table(title, ["participant", "session"], [[scan.participant_id, scan.session_id] for scan in cohort.scans])


def _show_failed(table: pd.DataFrame) -> None:
    failed = table[~table["status"].isin(("done", "kept"))]
    if len(failed):
        rows = failed[["participant_id", "session_id", "reason"]].to_numpy().tolist()
        show_table("Not done", ["participant", "session", "reason"], rows)


def _show_raters(raters: pd.DataFrame) -> None:
    rows = [[row.rater, row.n_scans, f"{row.dice:.2f}", f"{row.lesion_f1:.2f}", row.outlier, row.reason] for row in raters.itertuples()]
    show_table("Raters against the consensus of the others", ["rater", "scans", "Dice", "lesion F1", "outlier", "why"], rows)


def _median(values: pd.Series) -> str:
    return "none" if values.dropna().empty else f"{values.median():.3g}"


def _stop_where_nothing_worked(table: pd.DataFrame) -> None:
    if len(table) and not table["status"].isin(("done", "kept")).any():
        raise typer.Exit(1)
