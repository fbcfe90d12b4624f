"""What people do, with a real mouse in a real browser: join, learn, rate, draw, judge."""

from __future__ import annotations

import csv
import io
import os
import shutil
import socket
import threading
import time
import zipfile

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from sqlalchemy import select
from tests.annotation.conftest import AFFINE as STUDY_AFFINE
from tests.annotation.conftest import SHAPE as STUDY_SHAPE
from tests.annotation.conftest import make_study
from tests.challenge.conftest import CASES
from tests.enclave.conftest import network  # noqa: F401
from tests.web.conftest import PASSWORD, make_campaigns, open_challenge
from tests.web.test_challenges import empty, perfect, zipped

from dawson.annotation.build import CampaignPlan, build_campaign
from dawson.annotation.items import Item
from dawson.annotation.settings import parse_campaign
from dawson.challenge.settings import read_challenge, write_challenge
from dawson.config import StudyConfig
from dawson.files import write_json
from dawson.storage.models import CampaignItem, Rating
from dawson.web.app import create_app
from dawson.web.security import make_account
from dawson.web.serve import first_invitation, prepare_server
from dawson.web.server import now

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None and os.environ.get("DAWSON_BROWSER_TESTS") != "required":
    pytest.skip("Chromium is not installed; `make browser` installs it", allow_module_level=True)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
MOVED_ON = """before => document.getElementById('next')
  || (document.querySelector('aside p.small') ?? {innerText: before}).innerText !== before"""
"""Another item is shown, or what would have been right of the last."""
PATIENT_MS = 120_000


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Running:
    """A server in a thread."""

    def __init__(self, server):
        import uvicorn

        self.server, self.study = server, server.study
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.uvicorn = uvicorn.Server(uvicorn.Config(create_app(self.server), port=port, log_level="error"))
        self.thread = threading.Thread(target=self.uvicorn.run, daemon=True)
        self.thread.start()
        while not self.uvicorn.started:
            time.sleep(0.05)

    def stop(self):
        self.uvicorn.should_exit = True
        self.thread.join(20)


@pytest.fixture
def running(request, tmp_path):
    study = make_study(tmp_path / "study")
    getattr(request, "param", make_campaigns)(study)
    home = tmp_path / "challenges"
    open_challenge(home / "lesions")
    found = Running(prepare_server(study, StudyConfig(), open_to_all=True, challenge_home=home))
    yield found
    found.stop()


def page_of(browser, running, role=None, context=None, account=None):
    """A page of a fresh browser, logged in; whatever a script complains of fails the test."""
    context = context or browser.new_context(viewport={"width": 1280, "height": 800}, base_url=running.address)
    page = context.new_page()
    page.set_default_timeout(PATIENT_MS)
    page.on("pageerror", lambda error: pytest.fail(f"script error: {error}"))
    if role:
        with running.server.session() as session:
            make_account(session, role, PASSWORD, account or role, now())
        page.goto("/login")
        page.fill("[name=name]", role)
        page.fill("[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_url(f"{running.address}/")
    return page


def faultless(page):
    """The page as it is now has no fault of accessibility, and is no wider than the screen."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical", "moderate")] == [], page.url
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), page.url


def loaded(page):
    page.wait_for_selector("#viewer[data-ready=true]")


def test_join_learn_and_rate(browser, running):
    page = page_of(browser, running)
    page.goto("/")
    page.click("text=Take part")
    page.fill("[name=name]", "ann")
    page.fill("[name=password]", "long enough")
    page.check("[name=agrees]")
    page.click("main button")
    page.click("text=Campaign accept")
    page.click("text=Begin")
    stages = []
    for _ in range(3):
        loaded(page)
        label = page.inner_text("aside p.small")
        stages.append(label.split("\n")[1])
        page.keyboard.press("1")
        page.wait_for_function(MOVED_ON, arg=label, polling=200)
        if page.locator("#next").count():
            loaded(page)
            page.click("#next")
            page.wait_for_url("**/rate")
    assert stages[0].startswith("Tutorial") and stages[1].startswith("Entry test")
    with running.server.session() as session:
        assert session.scalars(select(Rating.purpose).order_by(Rating.id)).all()[:2] == ["tutorial", "gate"]


def test_expert_judges_what_raters_could_not_settle(browser, running):
    page = page_of(browser, running, "expert")
    with running.server.session() as session:
        item = session.scalars(select(CampaignItem).where(CampaignItem.role == "item").limit(1)).one()
        item.state, number = "expert", item.number
    page.goto("/campaigns/accept/experts")
    page.click(f"table a:text-is('{number}')")
    loaded(page)
    page.click("button[value=reject]")
    page.wait_for_url("**/experts")
    with running.server.session() as session:
        assert session.get(CampaignItem, item.id).adjudicated == "reject"


def test_a_participant_hands_in_a_good_a_broken_and_a_late_zip(browser, running, tmp_path):
    page = page_of(browser, running, "volunteer")
    folder = running.server.challenges["lesions"]

    def hand_in(name, content):
        path = tmp_path / name
        path.write_bytes(content)
        page.goto("/")
        page.click("text=A test")
        page.set_input_files("[name=answer]", path)
        page.fill("[name=method]", name)
        page.select_option("[name=phase]", "open")
        page.click("text=Hand in >> nth=-1")
        page.wait_for_selector("#state, .problem")

    def ended():
        page.wait_for_function("() => !/Waits|being/.test(document.getElementById('state').textContent)", polling=500)
        return page.inner_text("#state")

    hand_in("broken.zip", b"this is no zip")
    assert ended().startswith("Not by the rules")
    hand_in("empty.zip", empty())
    assert ended() == "Scored."
    page.goto("/challenges/lesions/leaderboard/open")
    before = page.inner_text("main")
    hand_in("good.zip", perfect())
    assert ended() == "Scored."
    page.goto("/challenges/lesions/leaderboard/open")
    assert page.inner_text("main") != before and "good.zip" in page.inner_text("main")
    page.goto("/challenges/lesions")
    settings = read_challenge(folder)
    phases = tuple(phase.model_copy(update={"closes": now()}) for phase in settings.phases)
    path = tmp_path / "late.zip"
    path.write_bytes(perfect(CASES[:3]))
    page.set_input_files("[name=answer]", path)
    write_challenge(folder, settings.model_copy(update={"phases": phases}))
    page.click("text=Hand in >> nth=-1")
    assert "No phase of the challenge takes entries now" in page.inner_text(".problem") or "takes no entries" in page.inner_text(".problem")


def test_an_organiser_makes_a_challenge_and_somebody_enters_it(browser, running, tmp_path):
    make_study(running.study, people=12)
    page = page_of(browser, running, "organiser")
    page.click("text=New challenge")
    page.fill("[name=title]", "A new one")
    page.fill("[name=organiser]", "Prof. A")
    assert page.input_value("[name=maker]") == "sim"
    page.click("text=Look what it would hold")
    assert "training" in page.inner_text("#plan") and page.input_value("[name=title]") == "A new one"
    page.click("text=Make the challenge")
    page.wait_for_url("**/challenges/a-new-one")
    assert "Prof. A" in page.inner_text("main") and "Simulated patients" in page.inner_text("header")
    other = page_of(browser, running, "volunteer")
    other.click("text=A new one")
    with other.expect_download() as download:
        other.click("text=Download the data")
    names = zipfile.ZipFile(download.value.path()).namelist()
    cases = [row["case"] for row in read_tsv_text(zipfile.ZipFile(download.value.path()).read("test/cases.tsv")) if row["part"] == "open"]
    assert cases and any("label-lesion" in name for name in names) and not any("test" in name and "label" in name for name in names)
    path = tmp_path / "empty.zip"
    path.write_bytes(zipped({f"{case}.nii": np.zeros(STUDY_SHAPE) for case in cases}, STUDY_AFFINE))
    other.set_input_files("[name=answer]", path)
    other.click("text=Hand in >> nth=-1")
    other.wait_for_function("() => !/Waits|being/.test(document.getElementById('state')?.textContent ?? 'Waits')", polling=500)
    assert other.inner_text("#state") == "Scored."


def read_tsv_text(content):
    return list(csv.DictReader(io.StringIO(content.decode()), delimiter="\t"))


def test_a_second_person_lets_an_answer_out_of_the_airlock(browser, network):  # noqa: F811
    identifiers = [network.ask("counts", sites=("A",), group_by=(name,)) for name in ("diagnosis", "sex")]
    assert network.take("A").held
    running = Running(prepare_server(network.study("A"), StudyConfig(), mailbox=network.mailbox))
    try:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=running.address, bypass_csp=True)
        page = page_of(browser, running, "second", context=context, account="organiser")
        page.click("text=Airlock")
        faultless(page)
        page.click(f"text={identifiers[0]}")
        faultless(page)
        assert "140" in page.inner_text("main")
        with network.acting("A"):
            page.click("main button[value=true]")
            page.wait_for_url("**/airlock")
            page.click(f"text={identifiers[1]}")
            page.click("main button[value=false]")
            page.wait_for_selector(".problem")
            assert "needs a reason" in page.inner_text(".problem")
            page.fill("[name=reason]", "too small a group")
            page.click("main button[value=false]")
            page.wait_for_url("**/airlock")
        assert "stopped" in page.inner_text("main") and "released" in page.inner_text("main")
    finally:
        running.stop()
    assert network.gather(identifiers[0]).result is not None
    assert network.gather(identifiers[1]).result is None


def test_manager_invites_and_organiser_releases(browser, running):
    page = page_of(browser, running)
    page.goto(f"/join/{first_invitation(running.server)}")
    page.fill("[name=name]", "boss")
    page.fill("[name=password]", "long enough")
    page.check("[name=agrees]")
    page.click("main button")
    page.click("text=People")
    page.select_option("form[action='/people/invitations'] select", "organiser")
    page.click("text=Make an invitation")
    link = page.inner_text("#link")
    other = page_of(browser, running)
    other.goto(link)
    other.fill("[name=name]", "otto")
    other.fill("[name=password]", "long enough")
    other.check("[name=agrees]")
    other.click("main button")
    other.wait_for_url(f"{running.address}/")
    other.goto("/campaigns/accept/rate")
    loaded(other)
    # two checks of known answer may be among them
    for _ in range(3):
        first = other.inner_text("aside p.small")
        other.keyboard.press("1")
        other.wait_for_function(MOVED_ON, arg=first, polling=200)
        loaded(other)
    other.goto("/campaigns/accept/raters")
    assert "organiser" in other.inner_text("tbody")
    other.click("text=Release the labels")
    other.wait_for_selector("text=accept-v1")
    with running.server.session() as session:
        rated = session.scalars(select(Rating.purpose)).all()
    assert rated and (running.study / "derivatives" / "accept-v1" / "labels.tsv").is_file()


@pytest.mark.parametrize("size", [(1280, 800), pytest.param((820, 1180), marks=pytest.mark.slow)], ids=["desk", "tablet"])
def test_pages_are_accessible_and_fit_the_screen(browser, running, size):
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, base_url=running.address, bypass_csp=True)
    page = page_of(browser, running, "manager", context=context)
    paths = ["/", "/account", "/people", "/nowhere", "/library", "/catalogue", "/challenges/lesions", "/challenges/new"]
    paths += [f"/campaigns/{name}{part}" for name in ("accept", "draw") for part in ("", "/rate", "/experts", "/raters")]
    for path in paths:
        page.goto(path)
        if page.locator("#viewer").count():
            loaded(page)
        faultless(page)
    page.goto("/campaigns/draw/rate")
    loaded(page)
    if size[0] == 1280:
        # question, images and the button are seen without scrolling
        for name in ("#later", "#save", ".question"):
            box = page.locator(name).bounding_box()
            assert box["y"] >= 0 and box["y"] + box["height"] <= size[1], name


def make_pairs(study):
    """Two visits of each person, side by side."""
    shutil.copytree(study / "sub-01" / "anat", study / "sub-01" / "earlier")
    settings = parse_campaign({"campaign": {"title": "New?", "task": "new-lesion", "simulated": True}}, "test")
    item = Item(1, "item", "sub-01", "", ("sub-01/anat/sub-01_FLAIR.nii.gz",), earlier=("sub-01/earlier/sub-01_FLAIR.nii.gz",))
    build_campaign(study, "new", CampaignPlan(settings, (item,), {}, {}))


@pytest.mark.parametrize("running", [make_pairs], indirect=True)
def test_two_visits_move_together(browser, running):
    page = page_of(browser, running, "expert")
    page.goto("/campaigns/new/rate")
    loaded(page)
    assert page.locator("canvas").count() == 2 and page.get_attribute("[data-plane='1']", "aria-pressed") == "true"
    picture = page.locator("#earlier").screenshot()
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    page.wait_for_timeout(500)
    # the keys move the later visit, and the earlier one follows
    assert page.locator("#earlier").screenshot() != picture
    page.click("button[value=no]")
    page.wait_for_selector("text=Nothing left for you")
    with running.server.session() as session:
        assert session.scalars(select(Rating.answer)).one() == "no"


# drawing

ORIENTATIONS = {"RAS": "RAS", "LAS": "LAS", "LPS": "LPS", "PSR": "PSR", "oblique": "LAS"}
TARGETS = np.array([[4, 6, 9], [17, 20, 12]])
"""Voxels of the RAS grid that shine, one in either half of the brain."""
ALONE = """() => {
  dawsonViewer.opts.crosshairWidth = 0;
  dawsonViewer.opts.isOrientationTextVisible = false;
  dawsonViewer.volumes[0].cal_min = 0;
  dawsonViewer.volumes[0].cal_max = 1000;
  dawsonViewer.updateGLVolume();
}"""
"""Only the bright voxels are white: no letters, no cross-hair, a wide window."""
TO_SLICE = "([x, y, z]) => { dawsonViewer.scene.crosshairPos = dawsonViewer.mm2frac([x, y, z]); dawsonViewer.drawScene(); }"
GRID, SIZES = (22, 26, 24), (3.0, 2.5, 3.5)


def make_drawings(study):
    """The same bright places in five orders of the axes, one of them turned by 12 degrees; a campaign of each."""
    for name, codes in ORIENTATIONS.items():
        values = np.full(GRID, 60, np.int16)
        values[1:-1, 1:-1, 1:-1] = 100
        for at in TARGETS:
            values[tuple(at)] = 1000
        affine = np.diag([*SIZES, 1.0])
        affine[:3, 3] = -np.array(SIZES) * (np.array(GRID) - 1) / 2
        if name == "oblique":
            angle = np.deg2rad(12)
            turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
            affine[:3, :] = turn @ affine[:3, :]
        change = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
        turned = nib.orientations.apply_orientation(values, change)
        image = nib.Nifti1Image(turned, affine @ inv_ornt_aff(change, GRID))
        assert "".join(nib.aff2axcodes(image.affine)) == codes
        person = f"sub-{name}"
        path = study / person / "anat" / f"{person}_FLAIR.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(image, path)
        write_json(path.with_name(f"{person}_FLAIR.json"), {"SimulatedData": True, "SkullStripped": True})
        settings = parse_campaign({"campaign": {"title": name, "task": "lesion-draw", "simulated": True}, "end": {"drawings": 2}}, "test")
        item = Item(1, "item", person, "", (f"{person}/anat/{path.name}",))
        build_campaign(study, name.lower(), CampaignPlan(settings, (item,), {}, {}))


def bright_place(page):
    """Where on the page the bright voxel is seen, found in the picture alone."""
    from io import BytesIO

    from PIL import Image

    picture = np.asarray(Image.open(BytesIO(page.locator("#later").screenshot())).convert("RGB")).astype(int)
    box = page.locator("#later").bounding_box()
    white = (picture.min(axis=2) > 225) & (np.ptp(picture, axis=2) < 12)
    # the page around the canvas is white too
    white[:6] = white[-6:] = False
    white[:, :6] = white[:, -6:] = False
    rows, columns = np.nonzero(white)
    assert 4 <= len(rows) <= 4000, len(rows)
    scale = picture.shape[1] / box["width"]
    return box["x"] + np.median(columns) / scale, box["y"] + np.median(rows) / scale


@pytest.mark.parametrize("running", [make_drawings], indirect=True)
def test_a_drawing_lies_where_the_mouse_drew_it_in_every_orientation(browser, running):
    page = page_of(browser, running, "expert")
    for name in ORIENTATIONS:
        page.goto(f"/campaigns/{name.lower()}/rate")
        loaded(page)
        page.evaluate(ALONE)
        page.keyboard.press("p")
        image = nib.load(running.study / f"sub-{name}" / "anat" / f"sub-{name}_FLAIR.nii.gz")
        bright = np.argwhere(np.asarray(image.dataobj) == 1000)
        for place in bright:
            world = (image.affine @ [*place, 1])[:3]
            page.evaluate(TO_SLICE, world.tolist())
            page.keyboard.press("l")
            x, y = bright_place(page)
            page.keyboard.press("b")
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.up()
            page.wait_for_function("() => document.getElementById('volume').textContent !== '0.00 mL'", polling=200)
        page.click("#save")
        page.wait_for_function("() => !document.getElementById('save')", polling=200)
        kept = list((running.study / "annotation" / name.lower() / "drawings").rglob("*_mask.nii.gz"))
        assert len(kept) == 1, name
        mask = nib.load(kept[0])
        assert np.allclose(mask.affine, image.affine, atol=1e-3), name
        assert np.argwhere(np.asarray(mask.dataobj)).tolist() == bright.tolist(), name


@pytest.mark.parametrize("running", [make_drawings], indirect=True)
def test_tools_undo_erase_ball_and_fill_between_slices(browser, running):
    page = page_of(browser, running, "expert")
    page.goto("/campaigns/las/rate")
    loaded(page)

    def count():
        return page.evaluate("() => dawsonViewer.drawBitmap.reduce((sum, value) => sum + (value > 0), 0)")

    def click(dx=0, dy=0):
        box = page.locator("#later").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2 + dx, box["y"] + box["height"] / 2 + dy)
        page.mouse.down()
        page.mouse.up()
        page.wait_for_timeout(300)

    page.keyboard.press("p")
    page.keyboard.press("b")
    click()
    assert count() == 1
    page.keyboard.press("z")
    page.wait_for_timeout(200)
    assert count() == 0
    page.keyboard.press("o")
    page.evaluate("() => { const size = document.getElementById('size'); size.value = 7; size.dispatchEvent(new Event('input')); }")
    click()
    ball = count()
    # a ball of 7 mm has 1437 mm3, a voxel 26.25
    assert 40 < ball < 70
    page.keyboard.press("e")
    click()
    assert 0 < count() < ball
    for _ in range(10):
        page.keyboard.press("z")
    page.evaluate("() => { const size = document.getElementById('size'); size.value = 3; size.dispatchEvent(new Event('input')); }")
    page.keyboard.press("b")
    click()
    first = count()
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    click()
    assert count() > first
    drawn = count()
    page.keyboard.press("i")
    page.wait_for_timeout(500)
    assert count() > drawn
