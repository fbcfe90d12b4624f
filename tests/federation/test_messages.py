"""What may cross a site's border, and that nothing else can."""

from __future__ import annotations

import json
import types
import typing

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from dawson.errors import DawsonError, ExperimentError, GovernanceError
from dawson.federation.messages import (
    MESSAGES,
    BeginTask,
    BinnedProbability,
    CalibrationBin,
    Evaluation,
    Judgement,
    JudgeTask,
    ModelUpdate,
    Refusal,
    SiteReady,
    TrainTask,
    check_outgoing,
)
from dawson.federation.plan import FederatedPlan
from dawson.federation.wire import decode_message, decode_task, encode

SHAPES = {"conv.weight": (2, 3), "fc.bias": (4,)}
DIGEST = "a" * 64


def arrays(value: float = 0.5) -> dict[str, np.ndarray]:
    return {name: np.full(shape, value, np.float32) for name, shape in SHAPES.items()}


def evaluation(**changes: object) -> Evaluation:
    content: dict[str, object] = {
        "minimum_cell": 10, "people": 40, "loss": 0.6,
        "confusion": {"MS": {"MS": 15, "NMOSD": 10}, "NMOSD": None},
        "roc": {"MS": BinnedProbability(edges=[0, 5, 20], counts=[10, 12]), "NMOSD": None},
        "calibration": [CalibrationBin(edges=[0, 5], people=40, mean_probability=0.4, positive=18)],
    }  # fmt: skip
    return Evaluation.model_validate({**content, **changes})


def update(**changes: object) -> ModelUpdate:
    content: dict[str, object] = {
        "job": "j", "site": "korea", "round": 1, "arrays": arrays(), "people": 40, "loss": 0.7, "evaluation": evaluation(),
    }  # fmt: skip
    return ModelUpdate.model_validate({**content, **changes})


def ready(**changes: object) -> SiteReady:
    content: dict[str, object] = {
        "job": "j", "site": "korea", "people": {"MS": 40, "NMOSD": 20}, "scans": {"MS": 60, "NMOSD": 30},
        "manifest_sha256": DIGEST, "audit_head": "", "minimum_cell": 10, "simulated": False,
    }  # fmt: skip
    return SiteReady.model_validate({**content, **changes})


ALL = [ready(), update(), Judgement(job="j", site="uk", round=2, evaluation=evaluation()), Refusal(job="j", site="uk", reason="consent")]


@pytest.mark.parametrize("message", ALL, ids=lambda message: message.kind)
def test_every_message_survives_the_wire(message):
    there = decode_message(encode(check_outgoing(message, SHAPES)))
    assert type(there) is type(message)
    assert there.model_dump(exclude={"arrays"}) == message.model_dump(exclude={"arrays"})
    if isinstance(message, ModelUpdate):
        assert all(np.array_equal(there.arrays[name], message.arrays[name]) for name in SHAPES)


def test_tasks_survive_the_wire():
    begin = decode_task(encode(BeginTask(plan=FederatedPlan(job="a"), sites=3)))
    assert begin.plan == FederatedPlan(job="a")
    train = decode_task(encode(TrainTask(job="a", round=1, class_weights={"MS": 0.5, "NMOSD": 2.0}, arrays=arrays())))
    assert train.shapes == SHAPES


def test_no_message_has_room_for_free_text():
    """Every text in every schema is a fixed word, a digest or a name with a pattern."""

    def texts(annotation: object, constraints: tuple[object, ...] = ()) -> typing.Iterator[tuple[object, ...]]:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            inner, *extra = typing.get_args(annotation)
            yield from texts(inner, (*constraints, *extra))
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for field in annotation.model_fields.values():
                yield from texts(field.annotation, tuple(field.metadata))
        elif annotation is str:
            yield constraints
        elif origin in (dict, list, tuple, typing.Union, types.UnionType):
            for part in typing.get_args(annotation):
                yield from texts(part, constraints if origin in (typing.Union, types.UnionType) else ())

    def bounded(item: object) -> bool:
        metadata = [item, *(item.metadata if isinstance(item, FieldInfo) else [])]
        return any(getattr(part, "pattern", None) for part in metadata)

    found = [constraints for kind in MESSAGES.values() for constraints in texts(kind)]
    assert len(found) >= 12
    assert all(any(bounded(item) for item in constraints) for constraints in found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"arrays": arrays() | {"image": np.zeros((5, 128, 128), np.float32)}},
        {"arrays": {"fc.bias": np.zeros(4, np.float32)}},
        {"arrays": arrays() | {"fc.bias": np.zeros(5, np.float32)}},
        {"arrays": arrays(np.nan)},
    ],
    ids=["one more", "one less", "other shape", "nan"],
)
def test_an_update_has_exactly_the_weights_that_were_sent(wrong):
    with pytest.raises(GovernanceError):
        check_outgoing(update(**wrong), SHAPES)
    with pytest.raises(GovernanceError):
        check_outgoing(update())


def test_a_message_put_together_past_its_schema_does_not_leave():
    with pytest.raises(GovernanceError, match="list"):
        check_outgoing({"participant_id": "sub-01"})
    with pytest.raises(GovernanceError, match="list"):
        check_outgoing(evaluation())
    with pytest.raises(GovernanceError, match="schema"):
        check_outgoing(Refusal.model_construct(job="j", site="uk", kind="refusal", reason="sub-01 withdrew"))
    small = evaluation().model_copy(update={"confusion": {"MS": {"MS": 3, "NMOSD": 30}, "NMOSD": None}})
    with pytest.raises(GovernanceError, match="minimum"):
        check_outgoing(Judgement.model_construct(job="j", site="uk", kind="judgement", round=1, evaluation=small))

    class Chatty(Refusal):
        note: str = "sub-01"

    with pytest.raises(GovernanceError, match="list"):
        check_outgoing(Chatty(job="j", site="uk", reason="consent"))


@pytest.mark.parametrize(
    "content",
    [
        {"confusion": {"MS": {"MS": 15, "NMOSD": 9}, "NMOSD": None}},
        {"confusion": {"MS": {"MS": 15, "NMOSD": 0}, "NMOSD": None}},
        {"roc": {"MS": {"edges": [0, 5, 20], "counts": [1, 30]}, "NMOSD": None}},
        {"roc": {"MS": {"edges": [0, 20, 5], "counts": [10, 30]}, "NMOSD": None}},
        {"calibration": [{"edges": [0, 5], "people": 40, "mean_probability": 0.5, "positive": 31}]},
        {"people": 9},
        {"loss": float("nan")},
        {"probability": [0.1, 0.2]},
    ],
    ids=["small cell", "all alike", "small bin", "no histogram", "small complement", "few people", "no number", "predictions"],
)
def test_an_evaluation_has_no_small_cell_and_nothing_else(content):
    with pytest.raises(ValidationError):
        evaluation(**content)


def test_class_counts_below_the_minimum_are_no_message():
    with pytest.raises(ValidationError, match="minimum cell"):
        ready(people={"MS": 40, "NMOSD": 9})
    assert ready(people={"MS": 40, "NMOSD": 0}, scans={"MS": 40, "NMOSD": 0}).people["NMOSD"] == 0


@pytest.mark.parametrize("content", [b"", b"\x00" * 7, b"\xff" * 64, b"\x08" + b"\x00" * 7 + b"{}      "])
def test_bytes_that_are_no_message_are_told(content):
    with pytest.raises(ExperimentError):
        decode_message(content)


def test_a_task_is_no_message_and_a_header_with_more_is_refused():
    with pytest.raises(DawsonError):
        decode_message(encode(JudgeTask(job="j", round=1, class_weights={"MS": 1.0, "NMOSD": 1.0}, arrays=arrays())))
    raw = encode(Refusal(job="j", site="uk", reason="consent"))
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    inner = json.loads(header["__metadata__"]["dawson"]) | {"participant_id": "sub-01"}
    header["__metadata__"]["dawson"] = json.dumps(inner)
    text = json.dumps(header).encode()
    with pytest.raises(ExperimentError, match="participant_id"):
        decode_message(len(text).to_bytes(8, "little") + text)
