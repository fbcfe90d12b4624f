"""Fifty raters at once while entries of a challenge are scored: how long pages, next items and answers take.

    python benchmarks/server_load.py WORK --raters 50 --seconds 60 --think 2

Serves a small simulated study of 300 people with a campaign of choices, and a challenge of 40 cases into which 5 entries go at the
beginning and whenever one is scored, so that scoring never ends. Every rater asks for the next item, thinks, and answers; images are
not loaded. Prints the median, the 95th percentile and the maximum of each kind of call, by the caller's clock.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import socket
import subprocess
import sys
import time
import zipfile
from datetime import timedelta
from pathlib import Path

import httpx2
import nibabel as nib
import numpy as np
import pandas as pd

from dawson.annotation.build import CampaignPlan, build_campaign
from dawson.annotation.items import Item
from dawson.annotation.settings import parse_campaign
from dawson.challenge.settings import ChallengeSettings, write_challenge
from dawson.cohort.bids import write_dataset_description, write_participants
from dawson.config import StudyConfig
from dawson.files import write_json, write_tsv
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.web.security import make_account
from dawson.web.serve import prepare_server
from dawson.web.server import now

PEOPLE, CASES, SCORING, PASSWORD = 300, 40, 5, "a long password"
SHAPE = (182, 218, 182)
LOGIN, ITEM, ANSWER, PAGE = "login, all at once", "next item", "answer", "page of the campaign"


def make_study(root: Path, raters: int) -> None:
    """A study whose images are never opened here, a campaign of all its scans, and the accounts."""
    people = [f"sub-{number:04d}" for number in range(PEOPLE)]
    write_dataset_description(root, "Load", "dawson simulate")
    write_participants(root, pd.DataFrame({"participant_id": people, "diagnosis": "MS", "sex": "F", "age": 40, "site": "A"}))
    for person in people:
        path = root / person / "anat" / f"{person}_FLAIR.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(np.zeros((8, 8, 8), np.uint8), np.eye(4)), path)
        write_json(path.with_name(f"{person}_FLAIR.json"), {"SimulatedData": True})
    settings = parse_campaign({"campaign": {"title": "Load", "task": "image-quality", "simulated": True}, "end": {"maximum": 1000}}, "here")
    items = tuple(Item(at, "item", person, "", (f"{person}/anat/{person}_FLAIR.nii.gz",)) for at, person in enumerate(people, start=1))
    build_campaign(root, "load", CampaignPlan(settings, items, {}, {}))
    with prepare_server(root, StudyConfig()).session() as session:
        for number in range(raters):
            make_account(session, f"rater{number}", PASSWORD, "expert", now())


def make_challenge(folder: Path) -> bytes:
    """A challenge of whole brains; gives an answer to it."""
    about = {
        "title": "Load",
        "task": "lesion-segmentation",
        "organiser": "Here",
        "licence": "CC0-1.0",
        "data_statement": "Made up.",
        "simulated": True,
    }
    phase = {
        "name": "open",
        "opens": now() - timedelta(days=1),
        "closes": now() + timedelta(days=1),
        "quota": 10_000,
        "quota_per_day": 10_000,
    }
    write_challenge(folder, ChallengeSettings.model_validate({"challenge": about, "phases": [phase], "ranking": {"bootstraps": 100}}))
    rng, names, packed = np.random.default_rng(0), [f"sub-{number:04d}_ses-01" for number in range(CASES)], io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        for name in names:
            mask = np.zeros(SHAPE, np.uint8)
            for at in rng.integers(30, 140, (30, 3)):
                mask[tuple(slice(start, start + 4) for start in at)] = 1
            person, session = name.split("_")
            flair = folder / "public" / "test" / person / session / "anat" / f"{name}_space-{TEMPLATE_SPACE}_FLAIR.nii.gz"
            for path in (flair, folder / "hidden" / "truth" / f"{name}.nii.gz"):
                path.parent.mkdir(parents=True, exist_ok=True)
                nib.save(nib.Nifti1Image(mask, np.eye(4)), path)
            out.write(folder / "hidden" / "truth" / f"{name}.nii.gz", f"{name}.nii.gz")
    write_tsv(folder / "hidden" / "cases.tsv", pd.DataFrame({"case": names, "part": "open", "person": names}))
    return packed.getvalue()


async def rater(
    address: str, name: str, begin: asyncio.Barrier, seconds: float, think: float, rng: np.random.Generator, took: dict[str, list[float]]
) -> None:
    """One person: item after item, and the campaign's page before every fifth. It begins when all have logged in."""
    async with httpx2.AsyncClient(base_url=address, headers={"accept": "text/html"}, timeout=60) as client:
        asked = time.perf_counter()
        await client.post("/login", data={"name": name, "password": PASSWORD})
        took[LOGIN].append(time.perf_counter() - asked)
        await begin.wait()
        end, rated = time.monotonic() + seconds, 0
        await asyncio.sleep(rng.uniform(0, 2 * think))

        async def timed(kind: str, method: str, path: str, **more: object) -> httpx2.Response:
            began = time.perf_counter()
            answer = await client.request(method, path, **more)  # type: ignore[arg-type]
            took[kind].append(time.perf_counter() - began)
            assert answer.status_code < 400, answer.status_code
            return answer

        while time.monotonic() < end:
            if rated % 5 == 0:
                await timed(PAGE, "GET", "/campaigns/load")
            rated += 1
            page = (await timed(ITEM, "GET", "/campaigns/load/rate")).text
            if "/leases/" not in page:
                return
            token, csrf = page.split("/leases/")[1].split('"')[0], page.split('name="csrf" value="')[1].split('"')[0]
            await asyncio.sleep(rng.uniform(0.5, 1.5) * think)
            choice = str(rng.choice(["none", "mild", "severe"]))
            await timed(ANSWER, "POST", f"/leases/{token}", data={"answer": choice, "csrf": csrf, "seconds": "2"})


def commented(packed: bytes, number: int) -> bytes:
    """The same zip with a comment: another file."""
    text = str(number).encode()
    return packed[:-2] + len(text).to_bytes(2, "little") + text


async def entries(address: str, answer: bytes, end: float) -> int:
    """Keep so many entries waiting that scoring never ends; how many were handed in."""
    sent = 0
    async with httpx2.AsyncClient(base_url=address, headers={"accept": "text/html"}, timeout=120) as client:
        await client.post("/login", data={"name": "rater0", "password": PASSWORD})
        csrf = (await client.get("/account")).text.split('name="csrf" value="')[1].split('"')[0]
        while time.monotonic() < end:
            waiting = (await client.get("/challenges/challenge")).text.count("<td>received</td>")
            for _ in range(SCORING - waiting):
                sent += 1
                # another file each time: the same one is refused
                await client.post(
                    "/challenges/challenge/entries", data={"csrf": csrf}, files={"answer": ("a.zip", commented(answer, sent))}
                )
            await asyncio.sleep(5)
    return sent


async def everybody(address: str, raters: int, seconds: float, think: float, answer: bytes) -> tuple[dict[str, list[float]], int]:
    """All raters at once, and the entries."""
    took: dict[str, list[float]] = {LOGIN: [], PAGE: [], ITEM: [], ANSWER: []}
    begin, end = asyncio.Barrier(raters), time.monotonic() + seconds
    people = [rater(address, f"rater{number}", begin, seconds, think, np.random.default_rng(number), took) for number in range(raters)]
    *_, sent = await asyncio.gather(*people, entries(address, answer, end))
    return took, int(sent or 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--raters", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--think", type=float, default=2.0, help="seconds between item and answer, on average")
    arguments = parser.parse_args()
    make_study(arguments.work / "study", arguments.raters)
    answer = make_challenge(arguments.work / "challenge")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from dawson.cli import main; main()", "serve", str(arguments.work / "study"), "--port", str(port)]
    server = subprocess.Popen([*command, "--challenge", str(arguments.work / "challenge")])
    try:
        while True:
            try:
                httpx2.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx2.TransportError:
                time.sleep(0.2)
        took, sent = asyncio.run(everybody(f"http://127.0.0.1:{port}", arguments.raters, arguments.seconds, arguments.think, answer))
    finally:
        server.terminate()
        server.wait()
    states = [json.loads(path.read_text())["state"] for path in (arguments.work / "challenge" / "entries").glob("*/entry.json")]
    print(f"{arguments.raters} raters, {arguments.think:g} s from item to answer, for {arguments.seconds:g} s")
    print(f"{sent} entries handed in, {states.count('scored')} scored")
    print("| call | number | median, ms | 95 %, ms | maximum, ms |\n|---|---|---|---|---|")
    for kind, values in took.items():
        middle, high, most = (1000 * value for value in (np.median(values), np.percentile(values, 95), max(values)))
        print(f"| {kind} | {len(values)} | {middle:.0f} | {high:.0f} | {most:.0f} |")


if __name__ == "__main__":
    main()
