"""Challenges by the pages: the data but never the truth, entries of all kinds, one's own reports, the leaderboard."""

import io
import zipfile
from datetime import timedelta

import nibabel as nib
import numpy as np
import pytest
from tests.challenge.conftest import AFFINE, CASES, SHAPE, truth_of

from dawson.challenge.entries import read_entries
from dawson.challenge.settings import read_challenge, write_challenge
from dawson.web.scoring import score_waiting
from dawson.web.server import now

BASE = "/challenges/lesions-2026"


def zipped(masks, affine=AFFINE):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as out:
        for name, mask in masks.items():
            out.writestr(name, nib.Nifti1Image(mask.astype(np.uint8), affine).to_bytes())
    return content.getvalue()


def perfect(cases=CASES[:4]):
    return zipped({f"{case}.nii": truth_of(case) for case in cases})


def empty(cases=CASES[:4]):
    return zipped({f"{case}.nii": np.zeros(SHAPE) for case in cases})


def hand_in(served, role, content, accept="text/html", **data):
    files = {"answer": ("../../my answer.zip", content, "application/zip")}
    data = {"csrf": served.guard(role), "method": "A method", "phase": "open", **data}
    return served.client(role).post(f"{BASE}/entries", data=data, files=files, headers={"accept": accept})


def folder_of(served):
    return served.server.challenges["lesions-2026"]


def scored(served):
    return score_waiting(served.server.challenges)


def test_a_good_entry_is_kept_scored_and_ranked(served):
    answer = hand_in(served, "volunteer", perfect())
    where = answer.headers["location"]
    assert "Waits to be checked" in served.client("volunteer").get(where).text
    assert served.client("volunteer").get(f"{BASE}/leaderboard/open").status_code == 404
    hand_in(served, "expert", empty())
    assert scored(served) == 2
    assert "Scored." in served.client("volunteer").get(where).text
    board = served.client("organiser").get(f"{BASE}/leaderboard/open").text
    first, second = read_entries(folder_of(served))
    assert board.index(first.team) < board.index(second.team)
    assert "1.000" in board
    assert scored(served) == 0


def test_a_broken_entry_is_explained_case_by_case_and_does_not_count(served):
    for name, mask, told in (("stranger.nii", np.zeros(SHAPE), "no case"), ("sub-0001_ses-01.nii", np.zeros((3, 3, 3)), "has the shape")):
        where = hand_in(served, "volunteer", zipped({name: mask})).headers["location"]
        scored(served)
        text = served.client("volunteer").get(where).text
        assert "Not by the rules" in text and name.removesuffix(".nii") in text and told in text
    for number in range(2):
        where = hand_in(served, "volunteer", b"no zip at all %d" % number).headers["location"]
        scored(served)
        assert "Not by the rules" in served.client("volunteer").get(where).text
    assert hand_in(served, "volunteer", perfect()).status_code == 303


def test_quota_and_the_same_file_twice(served):
    hand_in(served, "volunteer", perfect())
    again = hand_in(served, "volunteer", perfect())
    assert again.status_code == 400 and "very same file" in again.text and "/tmp" not in again.text
    hand_in(served, "volunteer", empty())
    assert "came within a day" in hand_in(served, "volunteer", perfect(CASES[:3])).text


def test_an_entry_that_comes_late_is_refused(served):
    settings = read_challenge(folder_of(served))
    phases = tuple(phase.model_copy(update={"closes": now() - timedelta(hours=1)}) for phase in settings.phases)
    write_challenge(folder_of(served), settings.model_copy(update={"phases": phases}))
    late = hand_in(served, "volunteer", perfect())
    assert late.status_code == 400 and "takes no entries" in late.text
    assert read_entries(folder_of(served)) == []
    assert "No phase takes entries now" in served.client("volunteer").get(BASE).text


def test_scores_of_the_final_phase_are_hidden_until_it_closes(served):
    hand_in(served, "volunteer", perfect(CASES[4:]), phase="final")
    scored(served)
    assert served.client("manager").get(f"{BASE}/leaderboard/final").status_code == 404
    settings = read_challenge(folder_of(served))
    phases = tuple(phase.model_copy(update={"closes": now()}) for phase in settings.phases)
    write_challenge(folder_of(served), settings.model_copy(update={"phases": phases}))
    scored(served)
    assert served.client("volunteer").get(f"{BASE}/leaderboard/final").status_code == 200


def test_reports_are_for_the_team_and_organisers(served):
    where = hand_in(served, "volunteer", perfect()).headers["location"]
    assert served.client("expert").get(where).status_code == 404
    assert served.client("organiser").get(where).status_code == 200
    assert where.rpartition("/")[2] not in served.client("expert").get(BASE).text


def test_programs_hand_in_with_a_token(served):
    secret = served.post("volunteer", "/account/tokens", title="script").text.split("<code>")[1].split("</code>")[0]
    headers = {"authorization": f"Bearer {secret}", "accept": "application/json"}
    files = {"answer": ("answer.zip", perfect())}
    answer = served.client(None).post(f"{BASE}/entries", data={"phase": "open"}, files=files, headers=headers)
    assert answer.status_code == 201
    scored(served)
    told = served.client(None).get(answer.json()["address"], headers=headers).json()
    assert told["state"] == "scored" and len(told["check"]["present"]) == 4


def test_the_data_hold_no_truth(served):
    answer = served.client("volunteer").get(f"{BASE}/data.zip")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert len(names) == len(CASES) and not any("truth" in name or "hidden" in name for name in names)


@pytest.mark.parametrize(
    "path",
    [
        "/hidden/truth/sub-0001_ses-01.nii.gz",
        "/leaderboard/..%2F..%2Fhidden",
        "/entries/..%2F..%2Fhidden",
        "/entries/000001-00000000",
        "/challenge.toml",
        "/..%2Fhidden%2Fcases.tsv",
        "/leaderboard/nothing",
    ],
)
def test_the_truth_is_reached_by_no_address(served, path):
    for role in ("volunteer", "manager"):
        answer = served.client(role).get(BASE + path)
        assert answer.status_code == 404 and str(folder_of(served)) not in answer.text


def test_what_waits_is_scored_after_a_restart(served):
    hand_in(served, "volunteer", perfect())
    with served.client("organiser"):
        # the application comes up, and with it the scorer
        for _ in range(300):
            if read_entries(folder_of(served))[0].state == "scored":
                break
            import time

            time.sleep(0.1)
    assert read_entries(folder_of(served))[0].state == "scored"
