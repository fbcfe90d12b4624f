"""A site's node: answers the coordinator's tasks with messages, and with nothing else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.classification.device import Computing, choose
from dawson.classification.images import label_indices, read_stack
from dawson.classification.training import predict_logits, softmax
from dawson.cohort.consent import governance_of
from dawson.config import STUDY_FILE, read_config
from dawson.errors import (
    BudgetError,
    CohortError,
    ConfigError,
    ConsentError,
    DawsonError,
    ExperimentError,
    LeakageError,
    TooFewParticipantsError,
)
from dawson.federation.aggregates import rounded_down, summarise, weighted_log_loss
from dawson.federation.local_training import LocalWork, one_thread, train_locally
from dawson.federation.messages import (
    BeginTask,
    Evaluation,
    Judgement,
    JudgeTask,
    Message,
    ModelUpdate,
    Reason,
    Refusal,
    SiteReady,
    Task,
    TrainTask,
    check_outgoing,
)  # fmt: skip
from dawson.federation.plan import FederatedPlan
from dawson.federation.privacy_budget import check_budget, reserve, settle
from dawson.federation.private_training import private_settings, train_privately
from dawson.federation.shared_weights import build_network, get_kept, get_shared, set_shared, shapes_of, shared_names
from dawson.federation.site_people import (
    FEDERATION,
    SitePeople,
    class_counts,
    gather,
    job_folder,
    may_tell_of,
    seed_of,
    still_permitted,
    write_manifest,
)  # fmt: skip
from dawson.federation.wire import decode_task, encode
from dawson.files import atomic_path, read_json
from dawson.governance import audit
from dawson.governance.chain import LOG
from dawson.governance.ledger import governance_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from dawson.classification.experiment import StudyPaths
    from dawson.federation.site_policy import SitePolicy

_KEPT = "kept.safetensors"
_log = logging.getLogger("dawson.federation")
_REASONS: tuple[tuple[type[DawsonError], Reason], ...] = (
    (ConsentError, "consent"), (BudgetError, "budget"), (ConfigError, "settings"),
    (TooFewParticipantsError, "too-few-people"), (CohortError, "too-few-people"), (LeakageError, "settings"),
    (ExperimentError, "unreadable"),
)  # fmt: skip


class _RefusedError(Exception):
    def __init__(self, reason: Reason, told: str) -> None:
        super().__init__(told)
        self.reason: Reason = reason


@dataclass
class _Job:
    plan: FederatedPlan
    people: SitePeople
    network: nn.Module
    computing: Computing


class SiteTrainer:
    """The node of one site.

    Consent is asked when a job begins and at the start of every round: whoever withdrew meanwhile is neither trained nor judged with from
    that round on. Weights that were averaged before have seen the person; the manifest says so, and `dawson governance withdraw` names
    the job.

    Parameters
    ----------
    paths : StudyPaths
        Of the site's study; what it keeps of jobs goes to `out/federation`.
    policy : SitePolicy
    jobs : int
        Processes of the preprocessing, where images are not yet made.
    record : callable, optional
        Is given every answer as bytes, before it is sent.
    """

    def __init__(self, paths: StudyPaths, policy: SitePolicy, *, jobs: int = 1, record: Callable[[bytes], None] | None = None) -> None:
        self.paths = paths
        self.policy = policy
        self._preprocess_jobs = jobs
        self._record = record
        self._open: dict[str, _Job] = {}
        self._lock = threading.Lock()

    def answer(self, content: bytes) -> bytes:
        """The answer to a task, both as bytes. Whatever goes wrong, the coordinator is told a word of a fixed list and no more."""
        with self._lock:
            shapes = None
            try:
                task = decode_task(content)
            except DawsonError as error:
                message: Message = self._refusal("unknown", "unreadable", error)
            else:
                shapes = getattr(task, "shapes", None)
                message = self._do(task)
            sent = encode(check_outgoing(message, shapes))
            if self._record is not None:
                self._record(sent)
            return sent

    def _do(self, task: Task) -> Message:
        job = task.plan.job if isinstance(task, BeginTask) else task.job
        try:
            if isinstance(task, BeginTask):
                return self._begin(task)
            return self._train(task) if isinstance(task, TrainTask) else self._judge(task)
        except _RefusedError as error:
            return self._refusal(job, error.reason, error)
        except DawsonError as error:
            return self._refusal(job, next((reason for kind, reason in _REASONS if isinstance(error, kind)), "internal"), error)
        except Exception as error:
            # Any other error might name people or files in its text: it goes to the log of the site.
            _log.exception("Job %s", job)
            return self._refusal(job, "internal", error)

    def _refusal(self, job: str, reason: Reason, error: Exception) -> Refusal:
        _log.warning("Job %s refused (%s): %s", job, reason, error)
        self._note("federation refused", {"job": job, "reason": reason, "because": str(error)})
        return Refusal(job=job, site=self.policy.site, reason=reason)

    def _note(self, act: str, detail: dict[str, Any]) -> None:
        if self._managed:
            audit.append(self.paths.study, act, (), detail)

    @property
    def _managed(self) -> bool:
        return governance_of(self.paths.study, read_config(self.paths.study / STUDY_FILE).governance).managed

    def _begin(self, task: BeginTask) -> SiteReady:
        plan = task.plan
        if objection := self.policy.objection(plan, task.sites):
            raise _RefusedError(*objection)
        job = self._open_job(plan)
        people, scans = self._told_people(job), self._counts(job)[1]
        if plan.privacy is not None:
            self._affordable(job)
        digest = write_manifest(self.paths, plan, job.people)
        self._note("federation begins", {"job": plan.job, "plan": plan.digest, "manifest_sha256": digest})
        step, minimum = self.policy.count_step, self.policy.minimum_cell
        return SiteReady(
            job=plan.job, site=self.policy.site, manifest_sha256=digest, audit_head=self._audit_head(), minimum_cell=minimum,
            simulated=job.people.cohort.simulated, people=people,
            scans={name: max(rounded_down(count, step), people[name]) for name, count in scans.items()},
        )  # fmt: skip

    def _told(self, count: int) -> int:
        """A number of people as it is told: a multiple of the step, but not below the minimum cell when there are so many."""
        rounded = rounded_down(count, self.policy.count_step)
        return rounded if count < self.policy.minimum_cell else max(rounded, self.policy.minimum_cell)

    def _told_people(self, job: _Job) -> dict[str, int]:
        """Training people of each class as they are told; whatever tells of all of them is the sum, so that it tells no more."""
        return {name: self._told(count) for name, count in self._counts(job)[0].items()}

    def _audit_head(self) -> str:
        folder = governance_folder(self.paths.study)
        return audit.known_head(folder).link if self._managed and (folder / LOG).is_file() else ""

    def _counts(self, job: _Job) -> tuple[dict[str, int], dict[str, int]]:
        return class_counts(job.people.of_role("train"), job.plan.classes, self.policy.minimum_cell)

    def _open_job(self, plan: FederatedPlan) -> _Job:
        people = gather(self.paths, plan, jobs=self._preprocess_jobs)
        computing = choose(plan.training)
        network = build_network(plan).to(computing.device)
        kept = job_folder(self.paths, plan.job) / _KEPT
        if kept.is_file():
            from safetensors.numpy import load_file

            set_shared(network, load_file(kept))
        self._open[plan.job] = _Job(plan, people, network, computing)
        return self._open[plan.job]

    def _at_round(self, task: TrainTask | JudgeTask) -> _Job:
        """The job with the people of this round and the weights that were sent, taken up from the disk where the node was restarted."""
        job = self._open.get(task.job)
        if job is None:
            known = job_folder(self.paths, task.job) / "plan.json"
            if not known.is_file():
                raise _RefusedError("unknown-job", f"{task.job} was not begun here")
            job = self._open_job(FederatedPlan.model_validate(read_json(known)["plan"]))
        job.people, fewer = still_permitted(job.people, job.plan, task.round)
        if fewer:
            self._note("federation goes on without", {"job": task.job, "round": task.round, "people": fewer})
        self._counts(job)
        if task.shapes != shapes_of(get_shared(job.network, job.plan.normalisation)) or set(task.class_weights) != set(job.plan.classes):
            raise _RefusedError("settings", "the weights that were sent are not those of the job's network")
        set_shared(job.network, task.arrays)
        return job

    def _train(self, task: TrainTask) -> ModelUpdate:
        job = self._at_round(task)
        plan = job.plan
        people = job.people.of_role("train")
        images, labels = read_stack(people["path"].tolist()), label_indices(people["label"].tolist(), plan.classes)
        with one_thread(job.computing):
            evaluation = self._evaluation(job, task)
            if plan.privacy is not None:
                loss = None
                self._train_privately(job, people["participant_id"].astype(str).tolist(), images, labels, _weights(task, plan))
            else:
                work = LocalWork(
                    images=images, labels=labels, class_weights=_weights(task, plan), epochs=plan.local_epochs, proximal=plan.proximal,
                    seed=seed_of(plan, self.policy.site, task.round),
                )  # fmt: skip
                loss = train_locally(job.network, work, plan.training, job.computing, shared_names(job.network, plan.normalisation))
        after = get_shared(job.network, plan.normalisation)
        step = {name: after[name] - task.arrays[name] for name in after}
        if not (loss is None or np.isfinite(loss)) or not all(np.isfinite(array).all() for array in step.values()):
            raise _RefusedError("not-finite", "the training ended in numbers that are not finite")
        self._keep(job)
        told = sum(self._told_people(job).values())
        return ModelUpdate(
            job=plan.job, site=self.policy.site, round=task.round, arrays=step, people=told, loss=loss, evaluation=evaluation
        )

    def _train_privately(
        self, job: _Job, people: list[str], images: NDArray[np.float32], labels: NDArray[np.int64], class_weights: NDArray[np.float32]
    ) -> None:
        """One round of private steps; their cost is off the site's budget before the first, and stays off where they break off."""
        settings = private_settings(job.plan, len(set(people)))
        budget = self.policy.budget
        name = reserve(self.paths.study, settings.run(job.plan.job, len(set(people))), budget.epsilon, budget.delta)
        train_privately(job.network, images, labels, people, settings, class_weights)
        settle(self.paths.study, name, settings.steps)
        self._note("federation spends privacy", {"job": job.plan.job, "steps": settings.steps, "noise": settings.noise_multiplier})

    def _affordable(self, job: _Job) -> None:
        """Refuse a private job whose rounds would together cost more than is left: half a training would be paid for nothing."""
        people = job.people.of_role("train")["participant_id"].nunique()
        settings = private_settings(job.plan, people)
        whole = replace(settings.run(job.plan.job, people), steps=settings.steps * job.plan.rounds)
        check_budget(self.paths.study, whole, self.policy.budget.epsilon, self.policy.budget.delta)

    def _judge(self, task: JudgeTask) -> Judgement:
        job = self._at_round(task)
        with one_thread(job.computing):
            evaluation = self._evaluation(job, task)
        return Judgement(job=task.job, site=self.policy.site, round=task.round, evaluation=evaluation)

    def _evaluation(self, job: _Job, task: TrainTask | JudgeTask) -> Evaluation | None:
        table, plan = job.people.of_role("validation"), job.plan
        who = table["participant_id"].astype(str)
        if who.nunique() < self.policy.minimum_cell or not may_tell_of(self.paths.out / FEDERATION, who, self.policy.minimum_cell):
            return None
        logits = predict_logits(job.network, read_stack(table["path"].tolist()))
        labels = label_indices(table["label"].tolist(), plan.classes)
        probability = softmax(logits)
        loss = weighted_log_loss(probability, labels, _weights(task, plan))
        names, first, place = np.unique(who.to_numpy(dtype=str), return_index=True, return_inverse=True)
        mean = np.zeros((len(names), len(plan.classes)))
        np.add.at(mean, place, probability)
        mean /= np.bincount(place)[:, None]
        return summarise(labels[first], mean, loss, plan.classes, plan.positive, self.policy.minimum_cell, self.policy.count_step)

    def _keep(self, job: _Job) -> None:
        if kept := get_kept(job.network, job.plan.normalisation):
            from safetensors.numpy import save_file

            with atomic_path(job_folder(self.paths, job.plan.job) / _KEPT) as temporary:
                save_file(kept, temporary)

    def local_network(self, job: str, arrays: dict[str, Any]) -> nn.Module:
        """The network of this site with given shared weights; for simulations that look into their sites, never for the network.

        Raises
        ------
        ExperimentError
            The job was not begun here.
        """
        if job not in self._open:
            raise ExperimentError(f"{self.policy.site} has not begun {job}.")
        set_shared(self._open[job].network, arrays)
        return self._open[job].network.eval()


def _weights(task: TrainTask | JudgeTask, plan: FederatedPlan) -> np.ndarray:
    return np.array([task.class_weights[name] for name in plan.classes], np.float32)


__all__ = ["FEDERATION", "Path", "SiteTrainer"]
