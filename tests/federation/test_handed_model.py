"""The result of a federated training as a model folder: the same network, honest about what is not known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.federation.test_coordinator import links
from typer.testing import CliRunner

from dawson.classification.images import read_stack
from dawson.classification.model import read_model
from dawson.classification.training import predict_logits
from dawson.cli.model import app
from dawson.errors import ModelError
from dawson.federation.coordinator import coordinate
from dawson.federation.handed_model import write_handed_model
from dawson.federation.shared_weights import build_network, set_shared
from dawson.files import read_json, write_json
from dawson.report.model_card import model_card


def fetched_from(plan: Any, centre: Any, folder: Path) -> tuple[Path, Any, Any]:
    centres = {name: centre(name, 9, seed) for seed, name in enumerate(("seoul", "taipei"))}
    done = coordinate(plan, links(centres), folder / "job")
    save_file(done.weights, folder / "job" / "model.safetensors")
    return folder / "job", done, centres["seoul"].images


@pytest.mark.parametrize("normalisation", ["groupnorm", "average"])
def test_it_is_the_network_that_was_learnt(plan: Any, centre: Any, tmp_path: Path, normalisation: str) -> None:
    plan = plan.model_copy(update={"rounds": 2, "normalisation": normalisation})
    fetched, done, images = fetched_from(plan, centre, tmp_path)
    model = read_model(write_handed_model(fetched, tmp_path / "handed"))
    network = build_network(plan)
    set_shared(network, done.weights)
    pixels = read_stack(images["path"].tolist()[:4])
    (member,) = model.networks()
    np.testing.assert_allclose(predict_logits(member, pixels), predict_logits(network.eval(), pixels), rtol=1e-5, atol=1e-6)
    assert model.classes == plan.classes and model.name == "handed"


def test_card_and_info_say_that_nobody_tested_it(plan: Any, centre: Any, tmp_path: Path) -> None:
    fetched, _, _ = fetched_from(plan.model_copy(update={"rounds": 1}), centre, tmp_path)
    folder = write_handed_model(fetched, tmp_path / "handed")
    card = model_card(read_model(folder))
    assert "Tested on nobody out of sample" in card and "rounded down" in card and "seoul, taipei" in card
    shown = CliRunner().invoke(app, ["info", str(folder)])
    assert shown.exit_code == 0 and "not known" in shown.output


def test_with_fedbn_there_is_no_one_model(plan: Any, centre: Any, tmp_path: Path) -> None:
    fetched, _, _ = fetched_from(plan.model_copy(update={"rounds": 1}), centre, tmp_path)
    result = read_json(fetched / "result.json")
    result["plan"]["normalisation"] = "fedbn"
    write_json(fetched / "result.json", result)
    with pytest.raises(ModelError, match="no one model"):
        write_handed_model(fetched, tmp_path / "handed")
