import subprocess
import sys
from pathlib import Path

HEAVY = ("torch", "numpy", "pandas", "nibabel", "matplotlib", "scipy", "sklearn", "SimpleITK")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom dawson.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_explains_itself(dawson) -> None:
    for words in (
        [],
        ["study"],
        ["study", "run"],
        ["cohort"],
        ["cohort", "validate"],
        ["preprocess"],
        ["predict"],
        ["model", "info"],
        ["demo"],
    ):
        done = dawson(*words, "--help")
        assert done.returncode == 0 and "Usage" in done.stdout


def test_wrong_usage_leaves_with_2(dawson) -> None:
    assert dawson("study", "run").returncode == 2
    assert dawson("nonsense").returncode == 2
    assert dawson("predict", "model", "--no-such-option").returncode == 2


def test_what_cannot_be_done_leaves_with_1_and_without_a_traceback(dawson, tmp_path: Path) -> None:
    for words in (["study", "run", tmp_path], ["cohort", "validate", tmp_path / "none"], ["model", "info", tmp_path], ["report", tmp_path]):
        done = dawson(*words)
        assert done.returncode == 1
        assert "Error:" in done.stderr and "Traceback" not in done.stderr


def test_debug_shows_the_traceback(dawson, tmp_path: Path) -> None:
    assert "Traceback" in dawson("model", "info", tmp_path, "--debug").stderr


def test_a_wrong_setting_is_named(dawson, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("[training]\nepoch = 3\n")
    done = dawson("study", "run", tmp_path)
    assert done.returncode == 1 and "training.epoch" in done.stderr


def test_options_that_contradict_each_other_are_refused(dawson, tmp_path: Path) -> None:
    for words in (("--like", "seok2023", "--ms", 5), ("--hardness", 0.3, "--profile", "uk"), ("--like", "seok2023", "--site-bias", 1)):
        done = dawson("simulate", "cohort", tmp_path / "new", *words, "--dry-run")
        assert done.returncode == 1 and "Traceback" not in done.stderr, words
    assert dawson("simulate", "cohort", tmp_path / "new", "--hardness", 0.3, "--dry-run").returncode == 0
