"""A federated training in one process: real nodes, real weights, nothing but the messages of the list between them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch

from dawson.classification.images import label_indices, read_stack
from dawson.classification.training import predict_logits
from dawson.errors import ExperimentError
from dawson.federation.coordinator import _usual_norm, balanced_weights, coordinate
from dawson.federation.messages import ModelUpdate, Refusal, SiteReady
from dawson.federation.shared_weights import build_network, set_shared
from dawson.federation.wire import decode_message, decode_task, encode
from dawson.files import read_json
from dawson.governance.consent import ConsentRecord
from dawson.governance.consent_acts import record_consent


@pytest.fixture
def centres(centre: Any) -> dict[str, Any]:
    return {"seoul": centre("seoul", 14, 1), "taipei": centre("taipei", 10, 2), "oxford": centre("oxford", 12, 3)}


def links(centres: dict[str, Any]) -> dict[str, Any]:
    return {name: one.node.answer for name, one in centres.items()}


def accuracy(plan: Any, weights: Any, images: Any) -> float:
    network = build_network(plan)
    set_shared(network, weights)
    logits = predict_logits(network.eval(), read_stack(images["path"].tolist()))
    return float((logits.argmax(axis=1) == label_indices(images["label"].tolist(), plan.classes)).mean())


def test_it_learns_what_no_centre_was_shown(plan: Any, centres: dict[str, Any], centre: Any, tmp_path: Path) -> None:
    plan = plan.model_copy(update={"rounds": 6, "local_epochs": 2})
    done = coordinate(plan, links(centres), tmp_path / "job")
    elsewhere = centre("elsewhere", 20, 9)
    assert accuracy(plan, done.weights, elsewhere.images) >= 0.9
    assert done.judged_by == ("oxford", "seoul", "taipei")
    assert done.report["rounds"][-1]["loss"] < done.report["rounds"][0]["loss"]
    for record in done.report["rounds"]:
        assert record["took_part"] == ["oxford", "seoul", "taipei"]
        assert sum(record["share"].values()) == pytest.approx(1)
        assert record["bytes_from_sites"] > 0 and record["seconds"] > 0
    assert read_json(tmp_path / "job" / "result.json")["best_round"] == done.best_round


def test_counts_are_told_rounded_and_agree_with_each_other(plan: Any, centre: Any, tmp_path: Path) -> None:
    """Rounded apart, all people would be more than the people of the classes together."""
    centres = {name: centre(name, 14, seed, step=5) for seed, name in enumerate(("seoul", "taipei"))}
    done = coordinate(plan, links(centres), tmp_path / "job")
    assert [record["took_part"] for record in done.report["rounds"]] == [["seoul", "taipei"]] * plan.rounds
    told = [decode_message(message) for one in centres.values() for message in one.sent]
    assert {tuple(message.people.values()) for message in told if isinstance(message, SiteReady)} == {(5, 5)}
    assert {message.people for message in told if isinstance(message, ModelUpdate)} == {10}


def test_the_usual_norm_is_the_largest_lower_median_of_the_rounds_so_far() -> None:
    assert _usual_norm([]) == 0.0
    assert _usual_norm([{"norm": {"a": 2.0, "b": 1.5, "c": 9.0}}, {"norm": {}}, {"norm": {"a": 0.1, "b": 0.2}}]) == 2.0


def test_class_weights_are_those_of_all_people() -> None:
    def ready(site: str, a: int, b: int) -> SiteReady:
        digest = "0" * 64
        counts = {"A": a, "B": b}
        return SiteReady(
            job="j", site=site, people=counts, scans=counts, manifest_sha256=digest, audit_head="", minimum_cell=1, simulated=False
        )

    class Plan:
        classes = ("A", "B")

    # 60 A and 20 B: 80 / (2 * 60) and 80 / (2 * 20)
    assert balanced_weights({"x": ready("x", 50, 0), "y": ready("y", 10, 20)}, Plan()) == {"A": 80 / 120, "B": 2.0}  # type: ignore[arg-type]
    with pytest.raises(ExperimentError, match="No site has people of B"):
        balanced_weights({"x": ready("x", 50, 0)}, Plan())  # type: ignore[arg-type]


def test_no_pixel_no_name_and_no_prediction_leaves_a_site(plan: Any, centres: dict[str, Any], tmp_path: Path) -> None:
    coordinate(plan, links(centres), tmp_path / "job")
    for name, one in centres.items():
        assert one.sent
        images = read_stack(one.images["path"].tolist())
        pixels = {images.reshape(len(images), -1)[:, place].tobytes()[:8] for place in range(0, 500, 7)}
        pixels |= {image.tobytes()[at : at + 16] for image in images for at in range(0, 4000, 400)}
        network = build_network(plan)
        logits = predict_logits(network, images).astype(np.float32)
        predictions = {row.tobytes() for row in logits}
        for content in one.sent:
            message = decode_message(content)  # nothing but the list
            assert not any(person.encode() in content for person in one.images["participant_id"])
            assert not any(digest.encode() in content for digest in one.images["hash"])
            assert not any(part in content for part in pixels | predictions)
            if isinstance(message, ModelUpdate):
                assert set(message.arrays) == set(network.state_dict()) & set(message.arrays)
                assert all(array.shape == tuple(network.state_dict()[key].shape) for key, array in message.arrays.items())
                # a sum over many images, not one of them
                assert all(array.size != images[0].size for array in message.arrays.values())
        kinds = {type(decode_message(content)).__name__ for content in one.sent}
        assert kinds == {"SiteReady", "ModelUpdate", "Judgement"}, name


def test_a_site_that_dies_stalls_or_sends_nonsense_is_dropped(plan: Any, centres: dict[str, Any], tmp_path: Path) -> None:
    good = links(centres)
    asked = {"seoul": 0, "taipei": 0, "oxford": 0, "spoiler": 0}

    def counted(name: str, answer: Any) -> Any:
        def link(content: bytes) -> bytes:
            asked[name] += 1
            return bytes(answer(content))

        return link

    over = Event()

    def dies(content: bytes) -> bytes:
        if asked["taipei"] > 1:
            raise ConnectionResetError("closed by the other side")
        return good["taipei"](content)

    def spoils(content: bytes) -> bytes:
        task = decode_task(content)
        message = decode_message(good["oxford"](content))
        if isinstance(message, SiteReady):
            return encode(message.model_copy(update={"site": "spoiler"}))
        if not isinstance(message, ModelUpdate):
            return b"nonsense"
        kind = {1: np.nan, 2: 1.0, 3: 1e4}[task.round]  # type: ignore[union-attr]
        arrays = {name: (array * np.float32(kind)).astype(np.float32) for name, array in message.arrays.items()}
        return encode(ModelUpdate.model_construct(**{**dict(message), "site": "spoiler", "arrays": arrays}))

    def stalls(content: bytes) -> bytes:
        if asked["oxford"] == 3:
            over.wait(60)
            raise TimeoutError
        return good["oxford"](content)

    network = {"seoul": good["seoul"], "taipei": dies, "oxford": stalls, "spoiler": spoils}
    done = coordinate(plan, {name: counted(name, link) for name, link in network.items()}, tmp_path / "job", patience_s=12)
    over.set()
    first, second, third = (record["dropped"] for record in done.report["rounds"])
    assert first == {"taipei": "ConnectionResetError: closed by the other side", "spoiler": "not finite"}
    assert second == {"taipei": first["taipei"], "oxford": "no answer in 12 s"}
    assert third == {"taipei": first["taipei"], "spoiler": "huge update"}
    assert all(np.isfinite(array).all() for array in done.weights.values())


def test_too_few_sites_end_the_job_and_it_goes_on_when_they_are_back(plan: Any, centres: dict[str, Any], tmp_path: Path) -> None:
    plan = plan.model_copy(update={"minimum_sites": 3})
    good = links(centres)
    rounds = 0

    def away(content: bytes) -> bytes:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            raise ConnectionRefusedError
        return bytes(good["oxford"](content))

    with pytest.raises(ExperimentError, match="2 sites sent an update that can be used, and the job needs 3"):
        coordinate(plan, {**good, "oxford": away}, tmp_path / "job")
    assert len(read_json(tmp_path / "job" / "rounds.json")) == 1
    resumed = coordinate(plan, good, tmp_path / "job")
    whole = coordinate(plan, links(centres), tmp_path / "again")
    assert [record["took_part"] for record in resumed.report["rounds"]] == [["oxford", "seoul", "taipei"]] * 3
    for name, array in whole.weights.items():
        np.testing.assert_allclose(resumed.weights[name], array, atol=1e-6)
    with pytest.raises(ExperimentError, match="holds another job"):
        coordinate(plan.model_copy(update={"seed": 5}), good, tmp_path / "job")


def test_whoever_withdraws_is_out_at_the_next_round(plan: Any, centre: Any, tmp_path: Path) -> None:
    centres = {"seoul": centre("seoul", 14, 1, managed=True), "taipei": centre("taipei", 10, 2)}
    one = centres["seoul"]
    people = sorted(set(one.images["participant_id"]))
    consent = [
        ConsentRecord.model_validate({"participant_id": person, "form": "v1", "scope": ("HMB",), "given": date(2024, 1, 1)})
        for person in people
    ]
    record_consent(one.study, consent)
    good = links(centres)
    told: list[int] = []

    def watched(content: bytes) -> bytes:
        message = decode_message(answer := good["seoul"](content))
        if isinstance(message, ModelUpdate):
            told.append(message.people)
            if message.round == 1:
                train = one.node._open["first"].people.of_role("train")["participant_id"].iloc[0]
                record_consent(one.study, [ConsentRecord(participant_id=train, status="withdrawn", reason="asked to")])
        return bytes(answer)

    coordinate(plan, {**good, "seoul": watched}, tmp_path / "job")
    assert told[1:] == [told[0] - 1] * 2
    # the validation people are the same, so they may still be told of; the next job begins without the person
    done = coordinate(plan.model_copy(update={"job": "second"}), good, tmp_path / "second")
    assert sum(done.report["sites"]["seoul"]["people"].values()) <= told[0]


def test_a_job_that_a_policy_does_not_allow_is_refused(plan: Any, centres: dict[str, Any], tmp_path: Path) -> None:
    fast = plan.model_copy(update={"training": plan.training.model_copy(update={"learning_rate": 10.0})})
    with pytest.raises(ExperimentError, match=r"0 sites take part.*refused: settings"):
        coordinate(fast, links(centres), tmp_path / "job")
    answer = decode_message(centres["seoul"].node.answer(b"\x80\x04code"))
    assert answer == Refusal(job="unknown", site="seoul", reason="unreadable")


@pytest.mark.parametrize("normalisation", ["groupnorm", "fedbn", "average"])
def test_every_way_with_normalisation_runs(plan: Any, centres: dict[str, Any], tmp_path: Path, normalisation: str) -> None:
    plan = plan.model_copy(update={"normalisation": normalisation, "rounds": 1, "proximal": 0.1})
    done = coordinate(plan, links(centres), tmp_path / "job")
    has_statistics = any("running_mean" in name for name in done.weights)
    assert has_statistics == (normalisation == "average")
    assert torch.get_num_threads() >= 1
