"""Dawson's parts in NVFLARE: one carries tasks at the coordinator, one answers them at a site. Only bytes of `wire` go between them."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvflare.apis.controller_spec import ClientTask, Task
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.impl.controller import Controller
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.fuel.sec.audit import AuditService
from nvflare.fuel.sec.authz import AuthorizationService, Authorizer, AuthzContext
from nvflare.widgets.info_collector import GroupInfoCollector, InfoCollector
from nvflare.widgets.widget import Widget

from dawson.config import validated
from dawson.errors import DawsonError
from dawson.federation.coordinator import RESULT, ROUNDS, coordinate
from dawson.federation.network import (
    COORDINATOR_VARIABLE,
    JOBS_VARIABLE,
    MODEL,
    OUT_VARIABLE,
    PROBLEM,
    STUDY_VARIABLE,
    TASK,
)
from dawson.federation.plan import FederatedPlan
from dawson.files import read_json, write_json

if TYPE_CHECKING:
    from dawson.federation.site_trainer import SiteTrainer

CONTENT = "content"
_POLL_S = 0.2
_log = logging.getLogger("dawson.federation")


class RefusalLog(Widget):
    """Writes every refusal of a right into a node's audit.log; NVFLARE itself tells only the one who asked."""

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Take NVFLARE's authorizer over when the node starts."""
        authorizer = AuthorizationService.get_authorizer()
        if authorizer is not None and not isinstance(authorizer, _Recording):
            AuthorizationService.the_authorizer = _Recording(authorizer)


class _Recording:
    def __init__(self, inner: Authorizer) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def authorize(self, ctx: AuthzContext) -> tuple[bool, str]:
        allowed, error = self._inner.authorize(ctx)
        if not allowed:
            AuditService.add_event(user=ctx.user.name, action=f"refused {ctx.right}", msg=f"role {ctx.user.role}")
        return allowed, error


class SiteExecutor(Executor):
    """Answers tasks at a site with its own study, by its own policy."""

    def __init__(self) -> None:
        super().__init__()
        self._node: SiteTrainer | None = None

    def execute(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """One task; whatever goes wrong stays in the site's log."""
        content = shareable.get(CONTENT)
        if task_name != TASK or not isinstance(content, bytes):
            return make_reply(ReturnCode.TASK_UNKNOWN)
        try:
            if self._node is None:
                self._node = _site_node(str(fl_ctx.get_identity_name()))
            reply = Shareable()
            reply[CONTENT] = self._node.answer(content)
            return reply
        except Exception:
            _log.exception("The site cannot answer")
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)


class CoordinatorController(Controller):
    """Runs a federated training at the coordinator.

    Parameters
    ----------
    plan : dict
        Of a `FederatedPlan`.
    patience_s : float
        Seconds that a site has for a round.
    """

    def __init__(self, plan: dict[str, Any], patience_s: float = 3600.0) -> None:
        super().__init__()
        self.plan = validated(FederatedPlan, plan, "the job", "Submit it with `dawson federation submit`.")
        self.patience_s = patience_s

    def start_controller(self, fl_ctx: FLContext) -> None:
        """Nothing to prepare."""

    def stop_controller(self, fl_ctx: FLContext) -> None:
        """Nothing to put away: every finished round is on the disk."""

    def process_result_of_unknown_task(self, *arguments: Any) -> None:
        """An answer that came too late is not looked at."""

    @property
    def folder(self) -> Path:
        """Of the job, at the coordinator: it is outside NVFLARE's own, so that the same plan, submitted again, goes on."""
        return Path(os.environ[COORDINATOR_VARIABLE]) / "jobs" / self.plan.job

    def control_flow(self, abort_signal: Signal, fl_ctx: FLContext) -> None:
        """All rounds; then the result goes to where the researcher can fetch it."""
        run = Path(self._engine.get_workspace().get_run_dir(fl_ctx.get_job_id()))
        links = {client.name: partial(self._carry, client.name, abort_signal) for client in self._engine.get_clients()}
        try:
            done = coordinate(self.plan, links, self.folder, patience_s=self.patience_s)
        except DawsonError as error:
            write_json(run / PROBLEM, {"problem": error.message, "fix": error.fix})
            self.system_panic(str(error), fl_ctx)
            return
        from safetensors.numpy import save_file

        shutil.copy(self.folder / RESULT, run / RESULT)
        save_file(done.weights, run / MODEL)

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Tell how far the training is, to those who may ask."""
        super().handle_event(event_type, fl_ctx)
        collector = fl_ctx.get_prop(InfoCollector.CTX_KEY_STATS_COLLECTOR)
        if event_type == InfoCollector.EVENT_TYPE_GET_STATS and isinstance(collector, GroupInfoCollector):
            path = self.folder / ROUNDS
            records = read_json(path) if path.is_file() else []
            latest = {name: records[-1][name] for name in ("took_part", "dropped", "loss", "seconds")} if records else {}
            collector.set_info(TASK, {"job": self.plan.job, "rounds": len(records), "of": self.plan.rounds, **latest})

    def _carry(self, site: str, abort_signal: Signal, content: bytes) -> bytes:
        data = Shareable()
        data[CONTENT] = content
        over = threading.Event()
        answers: list[Any] = []

        def received(client_task: ClientTask, fl_ctx: FLContext) -> None:
            answers.append(client_task.result)
            # weights are not kept twice
            client_task.result = None

        def done(task: Task, fl_ctx: FLContext) -> None:
            over.set()

        task = Task(TASK, data, timeout=max(1, round(self.patience_s)), result_received_cb=received, task_done_cb=done)
        with self._engine.new_context() as context:
            self.send(task, context, targets=[site])
            while not over.wait(_POLL_S):
                if abort_signal.triggered:
                    raise ConnectionAbortedError("the job was stopped")
        answer = answers[0].get(CONTENT) if answers and isinstance(answers[0], dict) else None
        if not isinstance(answer, bytes):
            code = answers[0].get_return_code() if answers and isinstance(answers[0], Shareable) else task.completion_status
            raise ConnectionError(f"no answer ({getattr(code, 'value', code)})")
        return answer


def _site_node(name: str) -> SiteTrainer:
    from dawson.classification.experiment import StudyPaths
    from dawson.errors import ConfigError
    from dawson.federation.site_policy import policy_path, read_site_policy
    from dawson.federation.site_trainer import SiteTrainer

    paths = StudyPaths(Path(os.environ[STUDY_VARIABLE]), Path(os.environ[OUT_VARIABLE]))
    policy = read_site_policy(policy_path(paths.study))
    if policy.site != name:
        raise ConfigError(f"The policy of {paths.study} is that of {policy.site}, and the certificate is that of {name}.")
    return SiteTrainer(paths, policy, jobs=int(os.environ[JOBS_VARIABLE]))
