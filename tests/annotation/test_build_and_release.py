"""From a study to a campaign, and from its ratings to labels that training takes."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select
from tests.annotation.conftest import NOW, make_study

from dawson.annotation.build import build_campaign, campaigns_of, plan_campaign
from dawson.annotation.campaigns import find_campaign, member_of, open_campaign, record_answer
from dawson.annotation.find_items import Sources
from dawson.annotation.items import read_items
from dawson.annotation.release import people_of, release_labels
from dawson.annotation.settings import parse_campaign, read_campaign
from dawson.annotation.withdrawal import AnnotationsOfPerson
from dawson.cohort.checksums import check_checksums
from dawson.config import StudyConfig
from dawson.errors import AnnotationError, CohortError, ConfigError
from dawson.files import read_json, read_tsv, write_tsv
from dawson.lesions.scan_images import find_truth, lesion_file
from dawson.storage.database import open_database
from dawson.storage.models import Account, CampaignItem, Lease


def settings(task, **learning):
    part = {"tutorial_items": 2, "gate_items": 1, **learning}
    return parse_campaign({"campaign": {"title": "Test", "task": task}, "learning": part, "end": {"minimum": 1, "maximum": 3}}, "test")


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "study")


def planned(study, task, checks=4, **sources):
    return plan_campaign(study, StudyConfig(), settings(task), Sources(**sources), checks=checks)


def test_candidates_that_overlap_the_truth_are_lesions_and_those_apart_are_none(study):
    plan = planned(study, "lesion-accept", candidates="cand", gold_maker="sim")
    assert plan.counts() == {"item": 8, "gold": 2, "tutorial": 2}
    known = [one.gold for one in plan.items if one.role != "item"]
    assert sorted(known) == ["accept", "accept", "reject", "reject"]
    assert all(one.gold == "" for one in plan.items if one.role == "item")
    # the lesion of 3 x 3 x 3 voxels around (4, 5, 6)
    assert (20 - 2 * 4, -24 + 2 * 5, -22 + 2 * 6) in {one.place for one in plan.items}


def test_numbers_tell_nothing_of_the_order(study):
    plan = planned(study, "lesion-accept", candidates="cand", gold_maker="sim")
    assert [one.number for one in plan.items] == list(range(1, 13))
    assert [one.participant_id for one in plan.items] != sorted(one.participant_id for one in plan.items)


def test_the_diagnosis_is_known_from_the_table(study):
    plan = planned(study, "diagnosis")
    said = read_tsv(study / "participants.tsv").set_index("participant_id")["diagnosis"]
    assert all(one.gold == said[one.participant_id] for one in plan.items if one.role != "item")


def test_known_answers_of_a_table(study, tmp_path):
    table = tmp_path / "gold.tsv"
    write_tsv(table, pd.DataFrame({"participant_id": ["sub-01", "sub-02"], "answer": ["mild", "severe"], "explanation": ["Rings.", None]}))
    plan = planned(study, "image-quality", checks=2, gold_table=table)
    assert {(one.participant_id, one.gold, one.explanation) for one in plan.items if one.role == "tutorial"} == {
        ("sub-01", "mild", "Rings."),
        ("sub-02", "severe", ""),
    }


def test_too_few_known_answers_are_told(study):
    with pytest.raises(CohortError, match="4 items with a known answer are to be set aside, and 0 have one"):
        planned(study, "image-quality")
    with pytest.raises(ConfigError, match="asks about lesions"):
        planned(study, "central-vein")


def test_raw_images_of_people_are_not_shown(study):
    for path in study.glob("sub-0*/anat/*.json"):
        path.write_text('{"SkullStripped": true, "Space": "MNI152NLin2009aSym"}')
    with pytest.raises(CohortError, match="may show a face"):
        planned(study, "diagnosis")


def test_pairs_need_two_visits(study):
    with pytest.raises(CohortError, match="nothing to show"):
        planned(study, "new-lesion", checks=0)


def test_a_campaign_is_read_as_it_was_planned(study):
    plan = planned(study, "lesion-accept", candidates="cand", gold_maker="sim")
    folder = build_campaign(study, "accept", plan)
    assert campaigns_of(study) == [folder]
    assert read_campaign(folder) == plan.settings and plan.settings.campaign.simulated
    assert read_items(folder, plan.settings, study) == plan.items
    with pytest.raises(ConfigError, match="exists"):
        build_campaign(study, "accept", plan)
    with pytest.raises(ConfigError, match="cannot be the name"):
        build_campaign(study, "../accept", plan)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("role", "boss", "its role"),
        ("gold", "tea", "its answer 'tea'"),
        ("images", "gone.nii.gz", "does not exist"),
        ("x", None, "needs its place"),
    ],
)
def test_items_that_cannot_be_shown_are_named(study, column, value, message):
    plan = planned(study, "lesion-accept", candidates="cand", gold_maker="sim")
    folder = build_campaign(study, "accept", plan)
    table = read_tsv(folder / "items.tsv")
    table[column] = table[column].astype(object)
    table.loc[0, column] = value
    write_tsv(folder / "items.tsv", table)
    with pytest.raises(ConfigError, match=f"item 1: .*{message}"):
        read_items(folder, plan.settings, study)


@pytest.fixture
def rated(study, tmp_path):
    """A campaign in which one expert accepted what is a lesion, but for the items of sub-06, which nobody rated."""
    plan = planned(study, "lesion-accept", checks=2, candidates="cand", gold_maker="sim")
    build_campaign(study, "accept", plan)
    sessions = open_database(study / "annotation" / "server.sqlite")
    with sessions.begin() as session:
        campaign = open_campaign(session, "accept", plan.settings, plan.items, NOW)
        eva = Account(name="eva", pseudonym="Eva1", password="", role="expert", agreed_at=NOW)
        session.add(eva)
        session.flush()
        member_of(session, campaign, eva, NOW)
        for item in session.scalars(select(CampaignItem).where(CampaignItem.role == "item")).all():
            if item.shown["participant_id"] == "sub-06":
                continue
            lease = Lease(token=str(item.id), item_id=item.id, account_id=eva.id, purpose="item", made_at=NOW, ends_at=NOW)
            session.add(lease)
            session.flush()
            record_answer(session, lease, "accept" if item.shown["lesion"] == 1 else "reject", 2.0, NOW)
    return sessions, study


def release(sessions, study, leave_out=()):
    with sessions.begin() as session:
        campaign = find_campaign(session, "accept")
        allowed = [person for person in people_of(session, campaign) if person not in leave_out]
        return release_labels(session, study, campaign, allowed, NOW)


def test_a_release_is_a_derivative_that_training_finds(rated):
    sessions, study = rated
    found = release(sessions, study)
    assert found.folder == study / "derivatives" / "accept-v1" and check_checksums(found.folder) == []
    labels = read_tsv(found.folder / "labels.tsv")
    # one rater who starts with 4 right of 6 and was then never wrong by the others' lack
    told = labels[labels["label"].notna()]
    assert len(told) == found.items and set(told["label"]) == {"accept", "reject"}
    assert labels.loc[labels["participant_id"] == "sub-06", "label"].isna().all()
    from dawson.cohort.dataset import read_cohort
    from dawson.cohort.derivative_roots import derivative_roots

    roots = derivative_roots(study, study / "derivatives" / "dawson")
    for scan in read_cohort(study).scans:
        if scan.participant_id in set(told["participant_id"]):
            maker, paths = find_truth(scan, roots, ("consensus", "sim"))
            assert maker == "consensus" and found.folder in paths[0].parents
            mask = np.asarray(nib.load(scan.derivative(found.folder, lesion_file("consensus", "mask"))).dataobj)
            assert mask.sum() in (0, 27)
    assert read_json(found.folder / "dataset_description.json")["SimulatedData"] is True


def test_releases_are_numbered_and_never_changed(rated):
    sessions, study = rated
    first = release(sessions, study)
    before = (first.folder / "SHA256SUMS").read_text()
    assert release(sessions, study).folder.name == "accept-v2"
    assert (first.folder / "SHA256SUMS").read_text() == before


def test_people_who_may_not_be_used_are_not_in_it(rated):
    sessions, study = rated
    found = release(sessions, study, leave_out=("sub-01",))
    assert found.left_out >= 1
    for path in found.folder.rglob("*.tsv"):
        assert "sub-01" not in path.read_text()
    assert not (found.folder / "sub-01").exists()


def test_nothing_rated_is_nothing_to_release(study):
    plan = planned(study, "diagnosis")
    with open_database(study / "annotation" / "server.sqlite").begin() as session:
        campaign = open_campaign(session, "dx", plan.settings, plan.items, NOW)
        with pytest.raises(AnnotationError, match="no label yet"):
            release_labels(session, study, campaign, people_of(session, campaign), NOW)


def test_a_withdrawal_empties_the_items_of_the_person(rated):
    sessions, study = rated
    hook = AnnotationsOfPerson()
    assert [trace.kind for trace in hook.find(study, "sub-01")] == ["item"]
    hook.remove(study, "sub-01")
    assert hook.find(study, "sub-01") == []
    for path in (study / "annotation").glob("server.sqlite*"):
        assert b"sub-01" not in path.read_bytes()
    with sessions.begin() as session:
        assert "sub-01" not in people_of(session, find_campaign(session, "accept"))
