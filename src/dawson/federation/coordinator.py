"""The coordinator of a federated training: rounds over whatever carries bytes to sites, one at a time on disk, resumable."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as OutOfTimeError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.errors import DawsonError, ExperimentError
from dawson.federation.averaging import Weights, average
from dawson.federation.messages import (
    BeginTask,
    Evaluation,
    Judgement,
    JudgeTask,
    Message,
    ModelUpdate,
    Refusal,
    SiteReady,
    Task,
    TrainTask,
)  # fmt: skip
from dawson.federation.plan import FederatedPlan
from dawson.federation.pooled_evaluation import best_round, none_if_undefined, pool, pooled_loss
from dawson.federation.shared_weights import build_network, get_shared
from dawson.federation.wire import decode_message, encode
from dawson.files import atomic_path, read_json, write_json
from dawson.progress import progress

Link = Callable[[bytes], bytes]
"""Carries a task to a site and brings its answer; raises where there is none."""

_PLAN, _BEGUN, ROUNDS, RESULT = "plan.json", "begun.json", "rounds.json", "result.json"
_PATIENCE_S = 3600.0
_CHANCES = 3


@dataclass
class _Exchange:
    """Answers of one task, sites that gave none and why, and how much was carried."""

    answers: dict[str, Message] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    bytes_out: int = 0
    bytes_in: int = 0


@dataclass(frozen=True)
class FederatedResult:
    """What a federated training came to.

    Parameters
    ----------
    weights : dict of str to ndarray of float32
        Of the best round: those that travel.
    best_round : int
        Its number; the weights after so many rounds of training.
    judged_by : tuple of str
        Sites whose validation people chose it; empty: none may tell, and it is the last.
    report : dict
        Sites, rounds, wall times, bytes, who was dropped and why, pooled figures: result.json.
    """

    weights: Weights
    best_round: int
    judged_by: tuple[str, ...]
    report: dict[str, Any]


def coordinate(plan: FederatedPlan, links: Mapping[str, Link], folder: Path, *, patience_s: float = _PATIENCE_S) -> FederatedResult:
    """Train over sites; what is finished stays in `folder`, and the same call goes on from there.

    A site that does not answer in time, refuses, or sends what cannot be used is left out of the round and reported; it is asked again in
    the next, up to three rounds in a row. The job ends where fewer than the plan's minimum are left.

    Parameters
    ----------
    plan : FederatedPlan
    links : mapping of str to Link
        A way to each site, by its name.
    folder : Path
        Of the job, at the coordinator.
    patience_s : float
        Seconds that a site has for a round.

    Returns
    -------
    FederatedResult

    Raises
    ------
    ExperimentError
        Too few sites; or the folder holds another job.
    """
    _claim(plan, folder)
    begun = _begin(plan, links, folder, patience_s)
    records: list[dict[str, Any]] = read_json(folder / ROUNDS) if (folder / ROUNDS).is_file() else []
    weights = _read_weights(folder, len(records)) if records else get_shared(build_network(plan), plan.normalisation)
    class_weights = balanced_weights(begun, plan)
    with progress("Rounds", plan.rounds, len(records)) as advance:
        for number in range(len(records) + 1, plan.rounds + 1):
            asked = {site: links[site] for site in begun if not _given_up(records, site)}
            task = TrainTask(job=plan.job, round=number, class_weights=class_weights, arrays=weights)
            weights, record = _round(plan, begun, asked, task, patience_s, _usual_norm(records))
            _write_weights(folder, number, weights)
            records.append(record)
            write_json(folder / ROUNDS, records)
            loss = "" if record["loss"] is None else f", loss {record['loss']:.3f}"
            advance(f"round {number}, {len(record['took_part'])} sites{loss}")
    last = _judged(plan, {site: links[site] for site in begun if not _given_up(records, site)}, weights, class_weights, patience_s)
    return _result(plan, folder, begun, records, last)


def balanced_weights(begun: Mapping[str, SiteReady], plan: FederatedPlan) -> dict[str, float]:
    """Class weights from the sites' counts of people: inverse frequency, 1 on average over people.

    Raises
    ------
    ExperimentError
        A class has nobody at any site.
    """
    counts = {name: sum(ready.people[name] for ready in begun.values()) for name in plan.classes}
    if empty := [name for name, count in counts.items() if not count]:
        raise ExperimentError(f"No site has people of {', '.join(empty)}.", "Ask more sites, or leave the class out.")
    total = sum(counts.values())
    return {name: total / (len(counts) * count) for name, count in counts.items()}


def _claim(plan: FederatedPlan, folder: Path) -> None:
    path = folder / _PLAN
    if path.is_file() and read_json(path)["digest"] != plan.digest:
        raise ExperimentError(f"{folder} holds another job.", "Give the job another folder and another name.")
    write_json(path, {"digest": plan.digest, "plan": plan.model_dump(mode="json")})


def _begin(plan: FederatedPlan, links: Mapping[str, Link], folder: Path, patience_s: float) -> dict[str, SiteReady]:
    """The sites that take part; asked once, so that the shares of sites stay those of the begin."""
    path = folder / _BEGUN
    if path.is_file():
        content = read_json(path)
        return {site: SiteReady.model_validate(ready) for site, ready in content["ready"].items() if site in links}
    exchange = _ask(links, BeginTask(plan=plan, sites=len(links)), patience_s)
    ready = {site: answer for site, answer in exchange.answers.items() if isinstance(answer, SiteReady) and answer.job == plan.job}
    refused = exchange.lost | {site: _why(answer) for site, answer in exchange.answers.items() if site not in ready}
    if len(ready) < plan.minimum_sites:
        told = "; ".join(f"{site}: {reason}" for site, reason in sorted(refused.items()))
        raise ExperimentError(f"{len(ready)} sites take part, and {plan.job} needs {plan.minimum_sites} ({told}).", "Ask those sites why.")
    balanced_weights(ready, plan)
    write_json(path, {"ready": {site: answer.model_dump(mode="json") for site, answer in sorted(ready.items())}, "refused": refused})
    return dict(sorted(ready.items()))


def _round(
    plan: FederatedPlan, begun: Mapping[str, SiteReady], asked: Mapping[str, Link], task: TrainTask, patience_s: float, usual_norm: float
) -> tuple[Weights, dict[str, Any]]:
    began = time.monotonic()
    exchange = _ask(asked, task, patience_s)
    updates = {
        site: answer
        for site, answer in exchange.answers.items()
        if isinstance(answer, ModelUpdate) and (answer.job, answer.round, answer.site) == (plan.job, task.round, site)
    }
    dropped = exchange.lost | {site: _why(answer) for site, answer in exchange.answers.items() if site not in updates}
    done = average(
        dict(task.arrays), updates, minimum_sites=plan.minimum_sites, maximum_norm=plan.maximum_norm, norm_factor=plan.norm_factor,
        announced={site: sum(ready.people.values()) for site, ready in begun.items()}, usual_norm=usual_norm,
    )  # fmt: skip
    taken = [site for site in updates if site not in done.dropped]
    told = [(updates[site].people, loss) for site in taken if (loss := updates[site].loss) is not None]
    record = {
        "round": task.round,
        "took_part": sorted(taken),
        "dropped": dict(sorted((dropped | dict(done.dropped)).items())),
        "share": done.share,
        "norm": done.norms,
        "loss": sum(people * loss for people, loss in told) / sum(people for people, _ in told) if told else None,
        "evaluations": {
            site: said.model_dump(mode="json") for site, update in sorted(updates.items()) if (said := update.evaluation) is not None
        },
        "seconds": round(time.monotonic() - began, 3),
        "bytes_to_sites": exchange.bytes_out,
        "bytes_from_sites": exchange.bytes_in,
    }
    return done.weights, record


def _usual_norm(records: list[dict[str, Any]]) -> float:
    """The largest lower median of the norms of updates in a round so far."""
    return max((statistics.median_low(record["norm"].values()) for record in records if record["norm"]), default=0.0)


def _judged(
    plan: FederatedPlan, asked: Mapping[str, Link], weights: Weights, class_weights: dict[str, float], patience_s: float
) -> dict[str, Evaluation]:
    """What the sites think of the weights after the last round."""
    exchange = _ask(asked, JudgeTask(job=plan.job, round=plan.rounds, class_weights=class_weights, arrays=weights), patience_s)
    return {
        site: answer.evaluation
        for site, answer in exchange.answers.items()
        if isinstance(answer, Judgement) and answer.job == plan.job and answer.evaluation is not None
    }


def _ask(links: Mapping[str, Link], task: Task, patience_s: float) -> _Exchange:
    """The task to all sites side by side, and what came back in time."""
    content = encode(task)
    exchange = _Exchange(bytes_out=len(content) * len(links))
    # a site that stalls keeps its thread; leaving it behind lets the round end
    pool_of_threads = ThreadPoolExecutor(max(1, len(links)))
    waiting: dict[str, Future[bytes]] = {site: pool_of_threads.submit(link, content) for site, link in links.items()}
    end = time.monotonic() + patience_s
    for site, future in waiting.items():
        try:
            answer = future.result(max(0.0, end - time.monotonic()))
            exchange.bytes_in += len(answer)
            exchange.answers[site] = decode_message(answer)
        except OutOfTimeError:
            exchange.lost[site] = f"no answer in {patience_s:g} s"
        except DawsonError as error:
            exchange.lost[site] = str(error)
        except Exception as error:
            # whatever a connection raises: this site is lost for now, the others go on
            exchange.lost[site] = f"{type(error).__name__}: {error}"
    pool_of_threads.shutdown(wait=False, cancel_futures=True)
    return exchange


def _why(answer: Message) -> str:
    return f"refused: {answer.reason}" if isinstance(answer, Refusal) else "an answer to something else"


def _given_up(records: list[dict[str, Any]], site: str) -> bool:
    """Whether a site was missing in so many rounds in a row that it is asked no more."""
    latest = records[-_CHANCES:]
    return len(latest) == _CHANCES and all(site not in record["took_part"] for record in latest)


def _result(
    plan: FederatedPlan, folder: Path, begun: Mapping[str, SiteReady], records: list[dict[str, Any]], last: Mapping[str, Evaluation]
) -> FederatedResult:
    # what a round's sites judged are the weights it began with, which are those after the round before
    judged: dict[int, Mapping[str, Evaluation]] = {
        record["round"] - 1: {site: Evaluation.model_validate(said) for site, said in record["evaluations"].items()} for record in records
    }
    judged[plan.rounds] = last
    judged.pop(0, None)
    best, judges = best_round(judged)
    best = best or plan.rounds
    refused = read_json(folder / _BEGUN)["refused"]
    report = {
        "job": plan.job,
        "plan_sha256": plan.digest,
        "sites": {
            site: {
                "people": ready.people,
                "manifest_sha256": ready.manifest_sha256,
                "audit_head": ready.audit_head,
                "simulated": ready.simulated,
            }
            for site, ready in begun.items()
        },
        "not_taken_part": refused,
        "given_up": [site for site in begun if _given_up(records, site)],
        "best_round": best,
        "judged_by": list(judges),
        "validation": pool(judged[best], plan.classes, plan.positive) if judged.get(best) else None,
        "rounds": [
            {name: value for name, value in record.items() if name != "evaluations"}
            | {"validation_loss": none_if_undefined(pooled_loss(judged[record["round"]])) if judged.get(record["round"]) else None}
            for record in records
        ],
        "plan": plan.model_dump(mode="json"),
        "seconds": round(sum(record["seconds"] for record in records), 3),
        "bytes_per_round": {
            name: round(float(np.mean([record[name] for record in records]))) for name in ("bytes_to_sites", "bytes_from_sites")
        },
        "SimulatedData": any(ready.simulated for ready in begun.values()),
        "research_use_only": True,
    }
    write_json(folder / RESULT, report)
    return FederatedResult(_read_weights(folder, best), best, judges, report)


def _weights_path(folder: Path, number: int) -> Path:
    return folder / "weights" / f"after-{number:05d}.safetensors"


def _write_weights(folder: Path, number: int, weights: Weights) -> None:
    from safetensors.numpy import save_file

    with atomic_path(_weights_path(folder, number)) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, temporary)


def _read_weights(folder: Path, number: int) -> Weights:
    from safetensors.numpy import load_file

    content: dict[str, NDArray[np.float32]] = load_file(_weights_path(folder, number))
    return content
