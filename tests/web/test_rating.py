"""From the tutorial to a release, by the pages; and what pages never show."""

import gzip
import json

import nibabel as nib
import numpy as np
import pytest
from sqlalchemy import select
from tests.annotation.conftest import AFFINE, SHAPE

from dawson.annotation.campaigns import shown_item
from dawson.storage.models import CampaignItem, Lease, Member, Rating


def lease_of(served, role, campaign):
    """What the page of the next item tells: the lease's token and what the viewer is told."""
    answer = served.client(role).get(f"/campaigns/{campaign}/rate")
    assert answer.status_code == 200
    if "/leases/" not in answer.text:
        return None
    token = answer.text.split("/leases/")[1].split('"')[0].split("/")[0]
    viewer = json.loads(answer.text.split("data-viewer='")[1].split("'")[0].replace("&#34;", '"'))
    return token, viewer, answer.text


def item_of(served, token):
    with served.server.session() as session:
        item = session.scalars(select(Lease).where(Lease.token == token)).one().item
        return item, shown_item(item)


def known(served, shown):
    """What is true of a lesion of `cand`: its first is one."""
    return "accept" if shown.lesion == 1 else "reject"


def test_tutorial_feedback_gate_and_rating(served):
    token, _, text = lease_of(served, "volunteer", "accept")
    assert True
    _item, shown = item_of(served, token)
    wrong = "reject" if shown.gold == "accept" else "accept"
    after = served.post("volunteer", f"/leases/{token}", answer=wrong, seconds="2.5").headers["location"]
    assert after.startswith("/feedback/")
    told = served.client("volunteer").get(after).text
    assert "Not quite." in told and "Right is" in told
    token, _, text = lease_of(served, "volunteer", "accept")
    assert "Entry test, 1 of 1" in text
    served.post("volunteer", f"/leases/{token}", answer=item_of(served, token)[1].gold)
    _, _, text = lease_of(served, "volunteer", "accept")
    assert "Your item 1" in text
    with served.server.session() as session:
        assert session.scalars(select(Rating.seconds).where(Rating.purpose == "tutorial")).one() == 2.5


def test_hidden_checks_cannot_be_told_from_items(served):
    texts = set()
    for _ in range(40):
        found = lease_of(served, "expert", "accept")
        if found is None:
            break
        token, _viewer, text = found
        item, shown = item_of(served, token)
        assert shown.participant_id not in text and "gold" not in text and shown.images[0] not in text
        number = text.split("Your item ")[1].split("<")[0]
        texts.add(
            text.replace(token, "T").replace(f"/items/{item.id}/", "/items/I/").replace(f"Your item {number}", "").split("data-viewer")[0]
        )
        served.post("expert", f"/leases/{token}", answer=known(served, shown))
    assert len(texts) == 1


def test_images_are_for_those_who_have_them_before_them(served):
    token, viewer, _ = lease_of(served, "expert", "accept")
    address = viewer["images"][0]
    answer = served.client("expert").get(address)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    content = gzip.decompress(answer.content)
    assert b"Jane Doe" not in content and b"sub-0" not in content
    _, shown = item_of(served, token)
    original = nib.load(served.server.study / shown.images[0])
    image = nib.Nifti1Image.from_bytes(content)
    assert np.array_equal(np.asarray(image.dataobj), np.asarray(original.dataobj)) and np.allclose(image.affine, original.affine)
    assert served.client("volunteer").get(address).status_code == 404
    assert served.client(None).get(address).headers["location"].startswith("/login")


def test_the_mask_shows_the_lesion_that_is_asked_about_alone(served):
    token, viewer, _ = lease_of(served, "expert", "accept")
    _, shown = item_of(served, token)
    mask = np.asarray(nib.Nifti1Image.from_bytes(gzip.decompress(served.client("expert").get(viewer["mask"]).content)).dataobj)
    assert mask.sum() == (27 if shown.lesion == 1 else 8)


def test_what_is_right_is_shown_after_the_answer_only(served):
    token, _viewer, _ = lease_of(served, "volunteer", "draw")
    item, shown = item_of(served, token)
    solution = f"/items/{item.id}/solution/0.nii.gz"
    assert shown.gold and served.client("volunteer").get(solution).status_code == 404
    truth = (served.server.study / shown.gold).read_bytes()
    answer = send(served, "volunteer", token, truth)
    assert answer.json()["next"].startswith("/feedback/")
    assert served.client("volunteer").get(solution).status_code == 200
    assert "agrees with the known mask" in served.client("volunteer").get(answer.json()["next"]).text


def send(served, role, token, data):
    headers = {"x-csrf": served.guard(role), "accept": "application/json", "content-type": "application/octet-stream"}
    return served.client(role).post(f"/leases/{token}/drawing?seconds=3", content=data, headers=headers)


def test_a_drawing_is_refused_with_a_reason_and_can_be_sent_again(served):
    token, _, _ = lease_of(served, "expert", "draw")
    empty = nib.Nifti1Image(np.zeros(SHAPE, np.uint8), AFFINE).to_bytes()
    answer = send(served, "expert", token, b"nonsense")
    assert answer.status_code == 400 and "no NIfTI" in answer.json()["detail"]
    assert str(served.server.study) not in answer.text
    assert send(served, "expert", token, empty).status_code == 200
    assert send(served, "expert", token, empty).status_code == 404


def test_choices_and_drawings_do_not_mix(served):
    token, _, _ = lease_of(served, "expert", "draw")
    assert served.post("expert", f"/leases/{token}", answer="accept").status_code == 400
    token, _, _ = lease_of(served, "expert", "accept")
    assert send(served, "expert", token, b"x").status_code == 400


def test_nobody_answers_for_somebody_else(served):
    token, _, _ = lease_of(served, "expert", "accept")
    for role in ("volunteer", "manager"):
        assert served.post(role, f"/leases/{token}", answer="accept").status_code == 404
        assert served.post(role, f"/leases/{token}/back").status_code == 404


def test_questions_reach_experts_and_answers_come_back(served):
    token, _, _ = lease_of(served, "volunteer", "accept")
    item, _ = item_of(served, token)
    served.post("volunteer", f"/leases/{token}/question", text="Is <script>this</script> one?")
    assert f"/items/{item.id}" in served.client("expert").get("/campaigns/accept/experts").text
    page = served.client("expert").get(f"/items/{item.id}").text
    assert "&lt;script&gt;this" in page and "<script>this" not in page
    served.post("expert", f"/items/{item.id}/messages", text="It is a vessel.")
    assert "It is a vessel." in lease_of(served, "volunteer", "accept")[2]


def test_from_discord_to_the_experts_word_to_a_release(served):
    first, second = "expert", "organiser"
    for role, answer in ((first, "accept"), (second, "reject")):
        while (found := lease_of(served, role, "accept")) is not None:
            served.post(role, f"/leases/{found[0]}", answer=answer)
    with served.server.session() as session:
        waiting = session.scalars(select(CampaignItem).where(CampaignItem.state == "expert")).all()
    assert waiting
    assert f"/items/{waiting[0].id}" in served.client("expert").get("/campaigns/accept/experts").text
    assert served.post("expert", f"/items/{waiting[0].id}/word", answer="accept").status_code == 303
    assert served.post("expert", f"/items/{waiting[0].id}/word", answer="tea").status_code == 400
    assert served.post("organiser", "/campaigns/accept/release").status_code == 303
    assert "accept-v1" in served.client("organiser").get("/campaigns/accept/raters").text
    labels = (served.server.study / "derivatives" / "accept-v1" / "labels.tsv").read_text()
    assert "true" in labels


def test_a_promoted_rater_may_help_the_experts(served):
    lease_of(served, "volunteer", "accept")
    assert served.client("volunteer").get("/campaigns/accept/experts").status_code == 403
    with served.server.session() as session:
        session.scalars(select(Member)).one().promoted = True
    assert served.client("volunteer").get("/campaigns/accept/experts").status_code == 200
    assert served.client("volunteer").get("/campaigns/draw/experts").status_code == 403


def test_an_item_given_back_goes_to_another(served):
    token, _, _ = lease_of(served, "expert", "accept")
    assert served.post("expert", f"/leases/{token}/back").status_code == 303
    with served.server.session() as session:
        assert session.scalars(select(Lease)).all() == []


def test_a_closed_campaign_says_so(served):
    lease_of(served, "expert", "accept")
    served.post("organiser", "/campaigns/accept/close")
    assert "This campaign is closed" in served.client("expert").get("/campaigns/accept/rate").text


def test_text_of_the_organiser_is_text(served):
    page = served.client("volunteer").get("/campaigns/accept").text
    assert "&lt;b&gt;Not bold" in page and "<b>Not bold" not in page


@pytest.mark.parametrize(
    "path", ["/campaigns/nothing", "/campaigns/..%2F..", "/items/99999", "/feedback/99999", "/items/1/later/99.nii.gz"]
)
def test_what_is_not_there_is_not_found(served, path):
    assert served.client("manager").get(path).status_code == 404


def test_withdrawn_people_are_not_shown_any_more(served):
    from dawson.annotation.campaigns import shown_item as shown_of
    from dawson.governance.tombstones import set_tombstone

    token, viewer, _ = lease_of(served, "expert", "accept")
    _, shown = item_of(served, token)
    set_tombstone(served.server.study, shown.participant_id)
    assert served.client("expert").get(viewer["images"][0]).status_code == 404
    served.post("expert", f"/leases/{token}/back")
    while (found := lease_of(served, "expert", "accept")) is not None:
        assert item_of(served, found[0])[1].participant_id != shown.participant_id
        served.post("expert", f"/leases/{found[0]}", answer="accept")
    with served.server.session() as session:
        rows = session.scalars(select(CampaignItem).where(CampaignItem.state == "withdrawn")).all()
    assert {shown_of(row).participant_id for row in rows} == {shown.participant_id}


def test_the_library_shows_shared_reports_and_cards_alone(served):
    study = served.server.study
    for path, text in (
        ("experiments/first/report-shared.html", "<h1>Shared</h1>"),
        ("experiments/first/report.html", "<h1>Everybody by name</h1>"),
        ("models/first/card.md", "A <b>card</b>"),
    ):
        (study / path).parent.mkdir(parents=True, exist_ok=True)
        (study / path).write_text(text)
    client = served.client("volunteer")
    assert client.get("/library").text.count("first") == 4
    assert "Shared" in client.get("/library/reports/first").text
    assert "&lt;b&gt;card" in client.get("/library/models/first").text
    for name in ("..%2F..", "first%2Freport.html", "none"):
        assert client.get(f"/library/reports/{name}").status_code == 404
