"""Training of one member of the ensemble, from one checkpoint to the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dawson.errors import ModelError
from dawson.files import atomic_path, read_json, write_json
from dawson.lesions.network import LesionNetwork, build_network, lesion_loss
from dawson.lesions.patches import make_batch
from dawson.lesions.recipe import LesionRecipe, OptimisationPart
from dawson.lesions.training_data import Case

CHECKPOINT, LOG = "checkpoint.safetensors", "log.json"
_BATCH_STREAM = 1


@dataclass(frozen=True)
class MemberRun:
    """One member: its folder, seed and the cases it learns from.

    Parameters
    ----------
    folder : Path
        Of its checkpoint.
    number : int
    seed : int
        Of the whole model.
    cases : tuple of Case
    recipe : LesionRecipe
    start : Path or None
        Weights to start from, for fine-tuning.
    """

    folder: Path
    number: int
    seed: int
    cases: tuple[Case, ...]
    recipe: LesionRecipe
    start: Path | None = None

    @property
    def steps_done(self) -> int:
        """Steps of the last checkpoint."""
        path = self.folder / LOG
        return int(read_json(path)["steps"]) if path.is_file() and (self.folder / CHECKPOINT).is_file() else 0


@dataclass
class _State:
    network: LesionNetwork
    average: dict[str, Tensor]
    optimiser: torch.optim.AdamW
    step: int
    losses: list[dict[str, float]]


def learning_rate(step: int, part: OptimisationPart) -> float:
    """Rate of a step counted from 0: a rise over `warm_up` steps, then half a cosine down to a hundredth; anew at every restart."""
    began = max(at for at in (0, *part.restarts) if at <= step)
    end = min((at for at in part.restarts if step < at < part.steps), default=part.steps)
    step, steps = step - began, end - began
    if step < part.warm_up:
        return part.learning_rate * (step + 1) / part.warm_up
    done = (step - part.warm_up) / max(1, steps - part.warm_up)
    return part.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def train_member(run: MemberRun, until: int, threads: int = 1) -> list[dict[str, float]]:
    """Train a member up to a step and write its checkpoint; goes on from the checkpoint that is there.

    Every batch follows from seed, member and step, and a checkpoint holds the state of the optimiser, so that a run that was killed
    and one that was not end with the same weights.

    Parameters
    ----------
    run : MemberRun
    until : int
        Steps after which to stop.
    threads : int
        Of torch.

    Returns
    -------
    list of dict
        step, loss (mean since the last checkpoint), learning_rate: one for every checkpoint so far.

    Raises
    ------
    ModelError
        The loss is no longer a number.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        state = _begin(run)
        if state.step < until:
            _steps(run, state, until)
            _write(run, state)
        return state.losses
    finally:
        torch.set_num_threads(before)


def averaged_network(run: MemberRun) -> LesionNetwork:
    """The member as of its last checkpoint, with the running mean of its weights."""
    state = _begin(run)
    state.network.load_state_dict(state.average)
    return state.network.eval()


def _steps(run: MemberRun, state: _State, until: int) -> None:
    part = run.recipe.optimisation
    total, since = 0.0, state.step
    parameters = list(state.network.parameters())
    state.network.train()
    # the next batch is cut and changed while the network learns from this one
    with ThreadPoolExecutor(1) as ahead:
        waiting = ahead.submit(_batch, run, state.step)
        while state.step < until:
            images, truth = waiting.result()
            if state.step + 1 < until:
                waiting = ahead.submit(_batch, run, state.step + 1)
            for group in state.optimiser.param_groups:
                group["lr"] = learning_rate(state.step, part)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=part.bfloat16):
                levels = state.network.levels(images)
            loss = lesion_loss(levels, truth)
            state.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, part.clip)
            state.optimiser.step()
            state.step += 1
            _follow(state, part)
            total += float(loss.detach())
    mean = total / (state.step - since)
    if not math.isfinite(mean):
        raise ModelError(f"Member {run.number} stopped learning at step {state.step}: its loss is {mean}.", "Lower the learning_rate.")
    state.losses.append({"step": state.step, "loss": round(mean, 5), "learning_rate": learning_rate(state.step - 1, part)})


def _batch(run: MemberRun, step: int) -> tuple[Tensor, Tensor]:
    images, truth = make_batch((run.seed, run.number, step, _BATCH_STREAM), run.cases, run.recipe)
    return images.to(memory_format=torch.channels_last_3d), truth


def _follow(state: _State, part: OptimisationPart) -> None:
    """Move the running mean of the weights; it is short at first, or the random start would stay in it for long."""
    decay = min(part.average, (1 + state.step) / (10 + state.step))
    for name, value in state.network.state_dict().items():
        state.average[name].lerp_(value, 1 - decay)


def _begin(run: MemberRun) -> _State:
    from safetensors.torch import load_file

    part = run.recipe.optimisation
    network = build_network(run.recipe.network, run.seed * 1000 + run.number)
    if run.start is not None:
        network.load_state_dict(load_file(run.start))
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameters(), lr=part.learning_rate, weight_decay=part.weight_decay)
    state = _State(network, average, optimiser, 0, [])
    if run.steps_done:
        log, tensors = read_json(run.folder / LOG), load_file(run.folder / CHECKPOINT)
        if int(tensors["step"]) != int(log["steps"]):
            # killed between the two files: the weights are those of the later step, its log line is lost
            log["steps"] = int(tensors["step"])
        network.load_state_dict(_under("network.", tensors))
        state.average = _under("average.", tensors)
        optimiser.load_state_dict(_optimiser_state(optimiser, _under("optimiser.", tensors)))
        state.step, state.losses = int(log["steps"]), list(log["losses"])
    return state


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _optimiser_state(optimiser: torch.optim.AdamW, tensors: dict[str, Tensor]) -> dict[str, Any]:
    content = optimiser.state_dict()
    rows: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, key = name.split(".")
        rows.setdefault(int(number), {})[key] = value
    return {"state": rows, "param_groups": content["param_groups"]}


def _write(run: MemberRun, state: _State) -> None:
    from safetensors.torch import save_file

    tensors = {"step": torch.tensor(state.step)}
    tensors |= {f"network.{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in state.average.items()}
    for number, row in state.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{key}": value for key, value in row.items()}
    run.folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(run.folder / CHECKPOINT) as temporary:
        save_file({name: value.contiguous() for name, value in tensors.items()}, temporary)
    write_json(run.folder / LOG, {"steps": state.step, "losses": state.losses})


def members_due(runs: Sequence[MemberRun], until: int) -> list[MemberRun]:
    """Those that have not reached a step."""
    return [run for run in runs if run.steps_done < until]
