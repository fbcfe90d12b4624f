"""A simulated crowd through a whole campaign: what the labels are worth, who is found careless, and what it costs.

    python benchmarks/crowd.py --seeds 0 1 2 3 4

Forty raters, 20 % of the volunteers careless, five experts, 300 items of two classes: the campaign's own functions on SQLite (or on the
server that DAWSON_DATABASE_URL names, emptied before). Beside it the same raters with a fixed number of ratings an item, chosen at
random, all of them let in, the majority deciding: the least odd number of ratings that is as accurate tells what the campaign saves.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from sqlalchemy import select

from dawson.annotation.settings import CampaignSettings, parse_campaign
from dawson.annotation.simulated_crowd import Crowd, CrowdPlan, gather_crowd, labels_of, rate_all
from dawson.annotation.skills import gather_ratings
from dawson.statistics.categorical_consensus import vote
from dawson.storage.database import URL_VARIABLE, open_database
from dawson.storage.models import Account, Base, Campaign, CampaignItem, Member

REPEATS, MOST = 20, 25


def fixed_redundancy(crowd: Crowd, plan: CrowdPlan, ratings: int, rng: np.random.Generator) -> float:
    """Accuracy of the majority of so many raters, chosen at random for each item."""
    names, right = list(crowd.skill), []
    for _ in range(REPEATS):
        for number in range(plan.checks + 1, plan.checks + plan.items + 1):
            said = [crowd.answer(name, number, plan.classes, rng) for name in rng.choice(names, ratings, replace=False)]
            right.append(sum(answer == crowd.truth[number] for answer in said) > ratings / 2)
    return float(np.mean(right))


def saving(cost: float, least: int | None) -> str:
    """How much less than a fixed number of ratings; where none suffices, than the most that was tried."""
    return f"{'' if least else 'over '}{100 * (1 - cost / (least or MOST)):.0f} %"


def one_seed(seed: int, plan: CrowdPlan, settings: CampaignSettings, folder: Path) -> list[str]:
    """Cells of a row: see the header in `main`."""
    sessions = open_database(folder / f"{seed}.sqlite")
    if os.environ.get(URL_VARIABLE):
        engine = sessions.kw["bind"]
        with engine.begin() as connection:
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(table.delete())
    rng = np.random.default_rng(seed)
    with sessions.begin() as session:
        crowd = gather_crowd(session, settings, plan, rng)
    answers = rate_all(sessions, crowd, settings, seed)
    with sessions.begin() as session:
        truth, told, counts = labels_of(session, crowd, settings.classes)
        expert = np.mean(session.scalars(select(CampaignItem.state).where(CampaignItem.role == "item")).all() == np.array("expert"))
        gathered = gather_ratings(session, session.scalars(select(Campaign)).one(), settings)
        members = session.execute(select(Account.pseudonym, Member.stage, Member.skill, Member.attempt).join(Member)).all()
    majority = vote(gathered.ratings).label[plan.checks :]
    middle = np.median([skill for name, _, skill, _ in members if name not in crowd.careless])
    stopped = {name for name, stage, _, attempt in members if stage == "closed" or attempt > 1}
    found = {name for name, _, skill, _ in members if skill < (0.5 + middle) / 2} | stopped
    shut_out = {name for name, stage, *_ in members if stage == "closed"} - crowd.careless
    mean_volunteer = np.mean(
        [
            [0.5 + (skill - 0.5) * (1 - crowd.difficulty[n]) for n in range(plan.checks + 1, plan.checks + plan.items + 1)]
            for name, skill in crowd.skill.items()
            if not name.startswith("expert")
        ]
    )
    # the next odd number of ratings, in favour of the fixed one
    odd = int(np.ceil(counts.mean())) | 1
    same_cost = fixed_redundancy(crowd, plan, odd, np.random.default_rng([seed, odd]))
    accuracy = float((truth == told).mean())
    tried = ((n, fixed_redundancy(crowd, plan, n, np.random.default_rng([seed, n]))) for n in range(1, MOST + 1, 2))
    least = next((n for n, reached in tried if reached >= accuracy), None)
    return [
        str(seed), f"{accuracy:.3f}", f"{(truth == majority).mean():.3f}", f"{same_cost:.3f}",
        f"{mean_volunteer:.3f}", f"{100 * expert:.0f} %",
        f"{counts.mean():.1f}", f"{answers / plan.items:.1f}", str(least) if least else f"over {MOST}",
        saving(counts.mean(), least), saving(answers / plan.items, least),
        f"{len(found & crowd.careless)} of {len(crowd.careless)}", f"{len(shut_out)} of {len(crowd.skill) - len(crowd.careless)}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    arguments = parser.parse_args()
    settings = parse_campaign({"campaign": {"title": "Simulated crowd", "task": "lesion-accept"}}, "the benchmark")
    header = (
        "seed | consensus | majority of the same ratings | majority at this cost, fixed | mean volunteer | left to experts | "
        "ratings an item | all answers an item | fixed redundancy as accurate | saved | saved, all answers | careless found | "
        "others shut out"
    )
    print(f"| {header} |\n|" + "---|" * len(header.split("|")))
    with tempfile.TemporaryDirectory() as folder:
        for seed in arguments.seeds:
            print("| " + " | ".join(one_seed(seed, CrowdPlan(), settings, Path(folder))) + " |", flush=True)


if __name__ == "__main__":
    main()
