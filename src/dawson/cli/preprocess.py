"""`dawson preprocess`: raw scans to MNI space and channel images."""

from __future__ import annotations

import typer

from dawson.cli import options
from dawson.cli.console import say, show_refused, show_table
from dawson.cli.people import asked_participants
from dawson.cli.study_file import find_config


def preprocess(
    study: options.Study,
    out: options.Out = None,
    participant: options.Participants = None,
    where: options.Where = None,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    dry_run: options.DryRun = False,
) -> None:
    """Bring every scan to MNI space and cut its channel image; a second run does only what is missing."""
    from dawson.cohort.consent import permitted, remember_results
    from dawson.cohort.dataset import read_cohort
    from dawson.parallel import resolve_jobs
    from dawson.preprocess.batch import preprocess_cohort
    from dawson.quality.decisions import excluded
    from dawson.report.preprocess_index import write_preprocess_index

    config = find_config(study, out)
    derivatives = (out or study) / "derivatives" / "dawson"
    cohort = read_cohort(study)
    cohort = cohort.select(where) if where else cohort
    cohort, refused = permitted(cohort, config.governance, "select", record=not dry_run)
    show_refused(refused)
    wanted = asked_participants(participant, cohort, refused)
    present = [scan for scan in cohort.scans if scan.t1w or scan.flair]
    asked = [scan for scan in present if not wanted or scan.participant_id in wanted]
    bad = excluded(derivatives, config.quality.exclude)
    scans = [scan for scan in asked if (scan.participant_id, scan.session_id) not in bad]
    if passed := [scan.entities for scan in asked if (scan.participant_id, scan.session_id) in bad]:
        say(f"Passed over, excluded by quality control: {', '.join(passed)}.")
    if dry_run:
        rows = [[scan.participant_id, scan.session_id, bool(scan.t1w), bool(scan.flair)] for scan in scans]
        show_table("Would be preprocessed", ["participant", "session", "T1w", "FLAIR"], rows)
        return
    remember_results(study, out or study, config.governance)
    table = preprocess_cohort(scans, cohort.root, derivatives, config.preprocess, jobs=resolve_jobs(jobs), dask=dask)
    failed = table[table["status"] != "done"]
    if len(failed):
        show_table("Failed", ["participant", "session", "reason"], failed[["participant_id", "session_id", "reason"]].values.tolist())
    say(f"{len(table) - len(failed)} of {len(table)} scans done. Table: {derivatives / 'preprocess.tsv'}")
    say(f"Contact sheets: {write_preprocess_index(derivatives, refused)}")
    if len(table) and len(failed) == len(table):
        raise typer.Exit(1)
