"""`dawson federation`: a network of centres that train together; the coordinator's and the researcher's side."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dawson.cli import options
from dawson.cli.console import say, say_whose, show_json, show_table

if TYPE_CHECKING:
    from dawson.federation.plan import FederatedPlan

app = typer.Typer(no_args_is_help=True, help="Train over many centres whose data stay where they are.")

Kit = Annotated[Path, typer.Argument(help="Your kit: the folder that the coordinator gave you.", show_default=False)]
Plan = Annotated[Path, typer.Argument(help="TOML of the training; docs/how-to/run-a-network lists its entries.", show_default=False)]
Job = Annotated[str, typer.Argument(help="Identifier of the job.", show_default=False)]
Result = Annotated[Path, typer.Option("--out", help="Folder for the result.", show_default=False)]
Follow = Annotated[bool, typer.Option("--follow", help="Wait for the end, and tell each round.")]
_DAYS_S = 7 * 86_400.0


@app.command("init")
def init(
    network: Annotated[Path, typer.Argument(help="network.toml: who takes part; is made as a template where it is missing.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the kits.")] = Path("kits"),
) -> None:
    """Make a kit with key and certificate for the coordinator, each site and each user; again, it makes those that are new."""
    from dawson.federation.network import make_kits, read_network, write_network_template

    if not network.exists():
        say(f"{write_network_template(network)} is a template. Fill it in, and run the same command again.")
        return
    kits = make_kits(read_network(network), out)
    show_table("Kits", ["party", "folder"], [[name, str(folder)] for name, folder in kits.items()])
    say(f"Send each party its own folder over a safe way. {out / 'authority'} signs certificates: keep it offline.")


@app.command("serve")
def serve(kit: Annotated[Path, typer.Argument(help="The coordinator's kit.", show_default=False)]) -> None:
    """Run the coordinator's node until it is interrupted."""
    from dawson.federation.nodes import start_coordinator, watch

    node = start_coordinator(kit)
    say(f"Coordinator {node.name} runs. Its log: {node.log}. Ctrl-C ends it; what is trained so far is kept.")
    watch(node)


@app.command("submit")
def submit(
    plan: Plan,
    kit: Kit,
    follow: Follow = False,
    patience: Annotated[float, typer.Option("--patience", min=1, help="Seconds that a site has for a round.")] = 3600.0,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Start a training; the same plan again goes on after a restart of the coordinator."""
    from dawson.federation import network_session
    from dawson.federation.plan import read_plan

    read = read_plan(plan)
    if dry_run:
        sites = network_session.network_status(kit)["sites"]
        say(f"Would train {read.job} for {read.rounds} rounds over {', '.join(sites) or 'no site: none is connected'}.")
        return
    identifier = network_session.submit(kit, read, patience_s=patience)
    if as_json:
        show_json({"job": identifier, "plan_sha256": read.digest})
    else:
        say(f"{read.job} is job {identifier}.")
    if follow:
        ended = network_session.wait(kit, identifier, timeout_s=_DAYS_S, heard=_Told())
        say(f"{ended}. Its result, or why it has none: dawson federation fetch {kit} {identifier} --out FOLDER")


class _Told:
    """Prints a line for every round that is new."""

    def __init__(self) -> None:
        self.rounds = 0

    def __call__(self, job: dict[str, Any]) -> None:
        if job.get("rounds", 0) > self.rounds:
            self.rounds = job["rounds"]
            missing = f"; without {', '.join(job['dropped'])}" if job["dropped"] else ""
            sites, seconds = ", ".join(job["took_part"]), f"{job['seconds']:.0f} s"
            loss = "" if job["loss"] is None else f"; loss {job['loss']:.3f}"
            say(f"Round {self.rounds} of {job['of']}: {sites}{loss}; {seconds}{missing}")


@app.command("status")
def status(kit: Kit, as_json: options.AsJson = False) -> None:
    """Show which sites are connected, and the trainings with their rounds."""
    from dawson.federation.network_session import network_status

    found = network_status(kit)
    if as_json:
        show_json(found)
        return
    show_table("Sites", ["site", "heard of"], [[name, f"{seconds:.0f} s ago"] for name, seconds in found["sites"].items()])
    rows = []
    for job in found["jobs"]:
        rounds = f"{job['rounds']} of {job['of']}" if "rounds" in job else ""
        rows.append([job["name"], job["identifier"], job["status"], rounds, ", ".join(job.get("took_part", ())), job["submitter"]])
    show_table("Trainings", ["training", "job", "status", "rounds", "last round with", "of"], rows)


@app.command("stop")
def stop(kit: Kit, job: Job) -> None:
    """Stop a training; its finished rounds are kept, and the same plan goes on with them."""
    from dawson.federation import network_session

    network_session.stop(kit, job)
    say(f"{job} is being stopped.")


@app.command("fetch")
def fetch(kit: Kit, job: Job, out: Result, as_json: options.AsJson = False) -> None:
    """Bring the weights of the best round, what was told of them, and a report."""
    from dawson.federation import network_session
    from dawson.files import read_json

    network_session.fetch(kit, job, out)
    page, model = _write_result(out)
    if as_json:
        show_json(read_json(out / "result.json"))
        return
    _say_result(out, page, model)


def _write_result(out: Path) -> tuple[Path, str]:
    """Page and model of what was fetched: the page's path, and a sentence about the model."""
    from dawson.errors import ModelError
    from dawson.federation.handed_model import write_handed_model
    from dawson.files import read_json
    from dawson.report.federation_page import write_federation_page

    try:
        model = f"Model, for dawson predict: {write_handed_model(out, out / read_json(out / 'result.json')['job'])}"
    except ModelError as error:
        model = str(error)
    return write_federation_page(out), model


def _say_result(out: Path, page: Path, model: str) -> None:
    from dawson.files import read_json

    result = read_json(out / "result.json")
    auc = (result["validation"] or {}).get("auc")
    told = (
        f"AUC over the sites' validation people {auc['estimate']:.3f} (bins allow {auc['least']:.3f} to {auc['most']:.3f})" if auc else ""
    )
    say(f"Best round {result['best_round']} of {len(result['rounds'])}. {told or 'The sites told no AUC: too few people.'}")
    say_whose(simulated=result["SimulatedData"])
    say(model)
    say(f"Report: {page}")


@app.command("simulate")
def simulate(
    plan: Plan,
    study: Annotated[list[Path], typer.Option("--study", help="A centre's study with its policy; give two or more.", show_default=False)],
    out: Result,
    jobs: options.Jobs = 1,
) -> None:
    """Run a whole network of real processes on this machine: mutual TLS over the loopback, a node for every study."""
    from dawson.federation.plan import read_plan

    run_local(read_plan(plan), _named(study), out, jobs)


def _named(studies: list[Path]) -> dict[str, Path]:
    """Studies by the name of their site."""
    from dawson.errors import ConfigError
    from dawson.federation.site_policy import policy_path, read_site_policy

    named = {read_site_policy(policy_path(one)).site: one for one in studies}
    if len(named) < max(2, len(studies)):
        raise ConfigError("A network needs two studies or more, each with a policy in a site's own name.", "`dawson site init` writes one.")
    return named


def run_local(plan: FederatedPlan, studies: dict[str, Path], out: Path, jobs: int) -> None:
    """Train over studies on this machine, and say what came of it."""
    from dawson.federation.local_network import local_network
    from dawson.parallel import resolve_jobs

    began = time.monotonic()
    with local_network({name: (one, one) for name, one in studies.items()}, out / "network", jobs=resolve_jobs(jobs)) as network:
        say(f"Coordinator and {len(studies)} sites run, connected by mutual TLS ({time.monotonic() - began:.0f} s).")
        network.run(plan, out / "training", timeout_s=_DAYS_S, heard=_Told())
    _say_result(out / "training", *_write_result(out / "training"))


@app.command("compare")
def compare(
    plan: Plan,
    study: Annotated[list[Path], typer.Option("--study", help="A simulated centre with its policy; give two or more.", show_default=False)],
    test: Annotated[
        list[Path], typer.Option("--test", help="A simulated study of new patients; may be given many times.", show_default=False)
    ],
    out: Result,
    jobs: options.Jobs = 1,
) -> None:
    """Train over the network, at each centre alone, without each, and in one place; read new patients with all. Simulated people only."""
    from safetensors.numpy import load_file

    from dawson.federation.comparison import compare as compare_trainings
    from dawson.federation.comparison import refuse_real_people
    from dawson.federation.plan import read_plan
    from dawson.parallel import resolve_jobs
    from dawson.report.federation_comparison import write_comparison_page

    read, studies, tests = read_plan(plan), _named(study), {one.resolve().name: one for one in test}
    refuse_real_people({str(path): path for path in [*studies.values(), *tests.values()]})
    if not (out / "training" / "model.safetensors").is_file():
        run_local(read, studies, out, jobs)
    federated = load_file(out / "training" / "model.safetensors")
    scores = compare_trainings(read, studies, tests, federated, resolve_jobs(jobs))
    page = write_comparison_page(out, scores, read.positive, f"{len(studies)} centres")
    say_whose(simulated=True)
    say(f"Report: {page}")


@app.command("demo")
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything the demo makes.")] = Path("federation-demo"),
    seed: options.Seed = 0,
    jobs: options.Jobs = 0,
) -> None:
    """Three simulated centres: a training over the network, a question through the airlock, and a refusal (under 10 minutes on 2 cores)."""
    from dawson.cli.federation_demo import run_demo

    run_demo(out, seed, jobs)
