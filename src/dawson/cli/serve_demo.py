"""What `dawson serve --demo` shows: a simulated study with a campaign of several kinds, and challenges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dawson.cli.console import say

PEOPLE, FOLLOWED_UP = {"MS": 7, "NMOSD": 7}, {"MS": 7, "NMOSD": 3}
SEED = 70_000
CHALLENGES = {"lesions": "lesion-segmentation", "new-lesions": "new-lesions", "diagnosis": "diagnosis"}
CAMPAIGNS: dict[str, dict[str, Any]] = {
    "lesion-or-not": {"task": "lesion-accept", "title": "Lesion or not?", "candidates": "classical", "gold_maker": "sim"},
    "draw-lesions": {"task": "lesion-draw", "title": "Draw every lesion", "gold_maker": "sim"},
    "anything-new": {"task": "new-lesion", "title": "Anything new?", "gold_maker": "sim"},
    "which-disease": {"task": "diagnosis", "title": "Which disease?"},
}
_LEARNING = {"tutorial_items": 3, "gate_items": 4}
_INSTRUCTIONS = {
    "lesion-or-not": "Lesions of the white matter are bright on FLAIR and dark on T1w. A computer marked these places; some are only "
    "noise, or the bright rim of a ventricle.",
    "draw-lesions": "Mark every voxel that is brighter than the tissue around it, and no noise. Where you are unsure, look at the T1w.",
    "anything-new": "Left is the earlier visit. A lesion is new where there was nothing before; one that only grew is not new.",
    "which-disease": "Lesions of MS are ovoid and sit beside the ventricles; those of NMOSD are fewer, in the brain stem and around the "
    "third and fourth ventricle.",
}


def make_demo(folder: Path, jobs: int) -> tuple[Path, Path]:
    """Simulate the study and make its campaigns and challenges; what is there already is kept.

    Returns
    -------
    Path
        The study.
    Path
        The folder of its challenges.
    """
    from dawson.cohort.dataset import read_cohort
    from dawson.lesions.segment import segment_study
    from dawson.simulation import plan_cohort, simulate_cohort

    plan = plan_cohort(PEOPLE, followed_up=FOLLOWED_UP, follow_up_scans=FOLLOWED_UP, seed=SEED, name="Simulated demonstration")
    study = simulate_cohort(folder / "study", plan, seed=SEED, jobs=jobs)
    segment_study(read_cohort(study).scans, study / "derivatives" / "dawson", "classical", jobs, root=study)
    _campaigns(study)
    return study, _challenges(study, folder / "challenges")


def _campaigns(study: Path) -> None:
    from dawson.annotation.build import build_campaign, campaign_folder, plan_campaign
    from dawson.annotation.find_items import Sources
    from dawson.annotation.settings import parse_campaign
    from dawson.config import StudyConfig

    for name, what in CAMPAIGNS.items():
        if campaign_folder(study, name).exists():
            continue
        part = {"title": what["title"], "task": what["task"], "organiser": "Dawson's demonstration", "instructions": _INSTRUCTIONS[name]}
        settings = parse_campaign({"campaign": part, "learning": _LEARNING, "end": {"maximum": 5}}, name)
        sources = Sources(what.get("candidates", ""), what.get("gold_maker", ""))
        build_campaign(study, name, plan_campaign(study, StudyConfig(), settings, sources, checks=7, seed=SEED))
        say(f"Campaign {what['title']}")


def _challenges(study: Path, folder: Path) -> Path:
    from dawson.challenge.build import build_challenge, plan_challenge
    from dawson.challenge.settings import ChallengeSettings
    from dawson.challenge.task import task_named
    from dawson.config import StudyConfig

    for name, task in CHALLENGES.items():
        made = folder / name
        if made.exists():
            continue
        chosen = task_named(task)
        plan = plan_challenge(study, chosen, StudyConfig(), maker="sim")
        begins = datetime.now(UTC).replace(microsecond=0)
        about = {
            "title": f"{chosen.title}: a demonstration", "task": task, "targets": plan.targets, "organiser": "Dawson's demonstration",
            "licence": "CC0-1.0", "data_statement": "Simulated by Dawson.", "simulated": True,
        }  # fmt: skip
        phases = [{"name": "open", "opens": begins, "closes": begins + timedelta(days=365)}]
        ranking = {"metrics": [metric.name for metric in chosen.metrics[:2]]}
        build_challenge(plan, made, ChallengeSettings.model_validate({"challenge": about, "phases": phases, "ranking": ranking}))
        say(f"Challenge {chosen.title}")
    return folder
