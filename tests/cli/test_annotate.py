"""`dawson annotate` and `dawson serve` on the command line."""

import sys

import pytest
from tests.annotation.conftest import make_study
from typer.testing import CliRunner

from dawson.cli import app
from dawson.cli.register import register
from dawson.errors import MissingDependencyError

register(app)
RUN = CliRunner()


def test_a_campaign_is_planned_and_made(tmp_path):
    study = make_study(tmp_path / "study")
    asked = ["annotate", "new", str(study), "dx", "--task", "diagnosis", "--checks", "5"]
    planned = RUN.invoke(app, [*asked, "--dry-run"])
    assert planned.exit_code == 0 and not (study / "annotation").exists()
    made = RUN.invoke(app, asked)
    assert made.exit_code == 0 and (study / "annotation" / "dx" / "items.tsv").is_file()
    assert "simulated" in made.output
    assert RUN.invoke(app, ["annotate", "status", str(study), "--json"]).output.strip() == "[]"


@pytest.mark.parametrize("words", [("annotate", "status"), ("serve",)])
def test_without_the_extra_it_is_said_what_to_install(tmp_path, monkeypatch, words):
    for name in [
        name
        for name in sys.modules
        if name.split(".")[0] in ("sqlalchemy", "fastapi") or name.startswith(("dawson.web", "dawson.storage", "dawson.annotation"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    found = RUN.invoke(app, [*words, str(tmp_path)])
    assert isinstance(found.exception, MissingDependencyError) and "dawson[web]" in str(found.exception)
