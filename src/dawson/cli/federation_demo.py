"""What `dawson federation demo` does: three simulated centres train together, answer a question, and refuse one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dawson.cli.console import heading, say

CENTRES = {"seoul": ("A", "korea"), "taipei": ("B", "taiwan"), "oxford": ("C", "uk")}
"""Site to its scanner and case mix."""
PATIENTS = {"MS": 22, "NMOSD": 22}
_TRAINING: dict[str, Any] = {"network": "resnet18-narrow", "batch_size": 8, "learning_rate": 2e-3, "device": "cpu"}
_ROUNDS, _FOLDS, _VALIDATION_CELL = 12, 2, 3
_KEYS = "DAWSON_KEYS"
_ASKER, _REVIEWER = "Researcher", "second reviewer"


def run_demo(out: Path, seed: int, jobs: int) -> None:
    """Simulate the centres, train over them, ask a question, and be refused; prints where to read it all."""
    from dawson.cli.federation import run_local
    from dawson.config import TrainingSection
    from dawson.federation.plan import FederatedPlan
    from dawson.report.federation_page import write_federation_page

    heading("Three simulated centres")
    studies = {name: _centre(out / "centres" / name, name, number, seed, jobs) for number, name in enumerate(CENTRES)}

    heading("A training over the network")
    plan = FederatedPlan(job=f"demo-{seed}", training=TrainingSection(**_TRAINING), rounds=_ROUNDS, folds=_FOLDS, seed=seed)
    run_local(plan, studies, out, jobs)

    heading("A question through the airlock")
    answered = _ask(out, studies, "disease-research")

    heading("A question that is refused")
    refused = _ask(out, studies, "general-research")
    assert answered is not None and refused is None

    told = "A question that the same centres answered, age and sex by diagnosis; for the purpose general-research they refused it"
    beside = {told: "../question/report.html"}
    page = write_federation_page(out / "training", beside)
    say(f"\nReport: {page.resolve()}")


def _centre(study: Path, name: str, number: int, seed: int, jobs: int) -> Path:
    from dawson.cohort.dataset import read_cohort
    from dawson.enclave.policy import write_policy_template
    from dawson.federation.site_policy import policy_path, write_site_policy_template
    from dawson.files import write_text
    from dawson.simulation import plan_cohort, simulate_cohort

    site, profile = CENTRES[name]
    own_seed = seed * 100 + number
    plan = plan_cohort(
        PATIENTS, followed_up=dict.fromkeys(PATIENTS, 0), follow_up_scans=dict.fromkeys(PATIENTS, 0), seed=own_seed, sites=(site,),
        profile=profile, name=f"Simulated centre {name}",
    )  # fmt: skip
    simulate_cohort(study, plan, seed=own_seed, jobs=jobs)
    if not policy_path(study).exists():
        # so few simulated people would tell nothing under the usual minimum of ten
        path = write_site_policy_template(study, name)
        write_text(path, path.read_text(encoding="utf-8").replace("minimum_cell = 10", f"minimum_cell = {_VALIDATION_CELL}"))
        write_policy_template(study, name, _REVIEWER)
    say(f"{name}: {len(read_cohort(study).participants)} simulated people, scanner {site}")
    return study


def _ask(out: Path, studies: dict[str, Path], purpose: str) -> Path | None:
    """One request to all centres, by everybody's own key; None where they refuse."""
    from dawson.enclave.airlock import decide
    from dawson.enclave.answering import take_requests
    from dawson.enclave.asking import gather, submit
    from dawson.enclave.request import parse_request
    from dawson.governance.signing import read_or_make_signer
    from dawson.report.request_page import write_result

    mailbox, public = out / "mailbox", {}
    mailbox.mkdir(parents=True, exist_ok=True)
    for party in (_ASKER, *studies):
        with _keys_of(out, party):
            public[party] = read_or_make_signer().public
    for study in studies.values():
        _admit(study, public)
    content: dict[str, object] = {
        "project": "Demo", "researcher": _ASKER, "purpose": purpose, "analysis": "summary", "sites": list(studies),
        "group_by": ("diagnosis",), "variables": ("age", "sex"),
    }  # fmt: skip
    with _keys_of(out, _ASKER):
        identifier = submit(mailbox, parse_request(content))
    for name, study in studies.items():
        with _keys_of(out, name):
            taken = take_requests(study, mailbox, actor=f"{name} data manager")
            if identifier in taken.refused:
                say(f"{name} refused: {taken.refused[identifier]}")
                continue
            held = next(one for one in taken.held if one.request == identifier)
            decide(study, mailbox, identifier, release=True, actor=_REVIEWER)
            say(f"{name}: {len(held.cells)} sums held in the airlock, {len(held.withheld)} kept back; released by a second person.")
    keys = {name: public[name] for name in studies}
    gathered = gather(mailbox, identifier, keys)
    if gathered.result is None:
        return None
    return write_result(gathered, out / "question")


def _admit(study: Path, public: dict[str, str]) -> None:
    """Name the researcher and the sites in a centre's policy, as its data manager would."""
    from dawson.enclave.policy import policy_path
    from dawson.files import write_text

    path = policy_path(study)
    text = path.read_text(encoding="utf-8")
    if public[_ASKER] not in text:
        parties = [("researchers", _ASKER), *(("sites", name) for name in CENTRES)]
        text += "".join(f'\n[[{kind}]]\nname = "{name}"\nkey = "{public[name]}"\n' for kind, name in parties)
        write_text(path, text)


@contextmanager
def _keys_of(out: Path, party: str) -> Iterator[None]:
    """Act with the keys of a party: here all parties share a machine, which they never do in a network."""
    before = os.environ.get(_KEYS)
    os.environ[_KEYS] = str((out / "keys" / party.lower()).resolve())
    try:
        yield
    finally:
        os.environ.pop(_KEYS)
        if before is not None:
            os.environ[_KEYS] = before
