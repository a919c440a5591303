"""The admin's pages about decisions: who may open them, what they show, what their buttons do."""

import pytest
from django.urls import reverse

from curation.decisions import merge, undo
from curation.issues import findings, write
from curation.issues.new_finding import NewFinding
from curation.models import Assessment, AssessRun, Finding, Purge, Review, ShoeImage, ShoeType
from curation.snapshots import freeze
from tests import decisions
from tests.factories import row, shoe_type, stored_image

pytestmark = pytest.mark.django_db


@pytest.fixture
def images():
    return [stored_image(n) for n in range(3)]


@pytest.fixture
def kim(client, member):
    user = member("Curator")
    client.force_login(user)
    return user


@pytest.fixture
def boss(client, member):
    user = member("Operator", name="boss")
    client.force_login(user)
    return user


def at(name, *args):
    return reverse(f"admin:curation_{name}", args=args)


def text(response):
    return response.content.decode().replace("&#x27;", "'").replace("&quot;", '"')


def act(client, action, rows, **data):
    chosen = {"action": action, "_selected_action": [row.pk for row in rows], **data}
    return client.post(at("shoeimage_changelist"), chosen, follow=True)


PAGES = ["undo", "undo_span", "bulk", "purge", "agreement"]


@pytest.mark.parametrize("name", PAGES)
def test_who_is_not_signed_in_is_asked_to(client, name):
    response = client.get(at(name))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("Curator", {"undo", "bulk", "agreement"}),
        ("Trainer", {"agreement"}),
        ("Operator", set(PAGES)),
        (None, set()),
    ],
)
def test_each_role_opens_its_pages(client, member, role, allowed):
    client.force_login(member(*filter(None, [role])))
    opened = {name for name in PAGES if client.get(at(name)).status_code == 200}
    assert opened == allowed
    client.get(at("shoeimage_changelist"))


def test_the_list_links_what_a_person_may_do(client, kim, member):
    shown = text(client.get(at("shoeimage_changelist")))
    assert at("undo") in shown and at("agreement") in shown
    assert at("purge") not in shown
    client.force_login(member("Operator", name="boss"))
    assert at("purge") in text(client.get(at("shoeimage_changelist")))


# --- the change page of an image


@pytest.fixture
def busy_image(images, kim):
    """An image with an assessment, findings and copies."""
    image, copy, other = images
    run = AssessRun.objects.create()
    write.record(
        run,
        [
            NewFinding(image.pk, "label-issue", 0.9, suggested="uggs"),
            NewFinding(image.pk, "near-duplicate", 0.8, other=copy.sha256),
            NewFinding(other.pk, "exact-duplicate", 1.0, other=image.sha256),
        ],
    )
    write.publish(run)
    Assessment.objects.create(
        run=run, image=image, top=[["uggs", 0.83], ["loafers", 0.1]], suggested="uggs"
    )
    findings.refresh([i.pk for i in images])
    return image


def test_the_page_of_an_image_shows_findings_copies_and_history(client, busy_image, images, member):
    undo.undo_batch(
        decisions.reject([busy_image], member("Curator", name="lee")), member(name="ann")
    )
    shown = text(client.get(at("shoeimage_change", busy_image.pk)))
    for words in (
        "Probably another type: Uggs", "A copy: cut, scaled", "83 %", "Loafers",
        "should stay instead of this one", "should go, this one stays",
        at("shoeimage_change", images[1].pk), at("shoeimage_change", images[2].pk),
        "unreviewed → rejected", "by ann", "undone: “rejected”",
    ):  # fmt: skip
        assert words in shown, words
    assert at("purge") not in shown


def test_an_image_that_nobody_assessed_says_so(client, images, kim):
    shown = text(client.get(at("shoeimage_change", images[0].pk)))
    assert "not assessed yet" in shown
    assert "Nothing." in shown


def test_kept_on_purpose_is_a_button_that_can_be_taken_back(client, busy_image, kim):
    finding = Finding.objects.get(image=busy_image, reason="label-issue")
    client.post(at("keep", busy_image.pk, finding.pk))
    finding.refresh_from_db()
    assert (finding.outcome, finding.silenced_by) == ("kept", kim)
    assert "Say it again" in text(client.get(at("shoeimage_change", busy_image.pk)))
    client.post(at("keep", busy_image.pk, finding.pk), {"again": "1"})
    finding.refresh_from_db()
    assert finding.silenced_at is None
    assert client.get(at("keep", busy_image.pk, finding.pk)).status_code == 403


def test_a_finding_that_a_decision_answered_has_no_button_of_its_own(client, busy_image, kim):
    decisions.confirm([busy_image], kim)
    finding = Finding.objects.get(image=busy_image, reason="label-issue")
    assert "Say it again" not in text(client.get(at("shoeimage_change", busy_image.pk)))
    client.post(at("keep", busy_image.pk, finding.pk), {"again": "1"})
    finding.refresh_from_db()
    assert finding.outcome == "kept"


def test_the_buttons_decide_on_the_image_as_it_was_seen(client, busy_image, kim, member):
    page = client.get(at("shoeimage_change", busy_image.pk))
    assert list(page.context["buttons"]) == ["confirm", "relabel", "reject", "leave"]
    decisions.confirm([busy_image], member("Curator", name="lee"))
    sent = {"action": "relabel", "label": "uggs", "seen": page.context["seen"]}
    after = client.post(at("decide", busy_image.pk), sent, follow=True)
    assert "since you opened the page" in text(after)
    client.post(at("decide", busy_image.pk), {**sent, "seen": after.context["seen"]})
    busy_image.refresh_from_db()
    assert busy_image.label == shoe_type("uggs")


def test_an_incomplete_decision_is_refused_in_words(client, busy_image, kim):
    page = client.post(at("decide", busy_image.pk), {"action": "leave"}, follow=True)
    assert "Write a note" in text(page)
    page = client.post(at("decide", busy_image.pk), {"action": "relabel"}, follow=True)
    assert "Choose the label" in text(page)
    assert client.post(at("decide", busy_image.pk), {"action": "purge"}).status_code == 404


def test_who_only_looks_has_no_buttons(client, busy_image, member):
    client.force_login(member("Trainer", name="tra"))
    page = client.get(at("shoeimage_change", busy_image.pk))
    assert page.status_code == 200
    assert not page.context["buttons"]
    assert "Kept on purpose" not in text(page)
    assert client.post(at("decide", busy_image.pk), {"action": "reject"}).status_code == 403
    finding = Finding.objects.first()
    assert client.post(at("keep", busy_image.pk, finding.pk)).status_code == 403


def test_more_history_takes_no_more_queries(client, busy_image, kim, django_assert_max_num_queries):
    def more():
        for number in range(4):
            other = stored_image(20 + number)
            write.add_finding(other, "left", note="?")
            Finding.objects.create(
                image=other, reason="near-duplicate", other=busy_image.sha256, score=0.5
            )
        for _ in range(4):
            undo.undo_batch(decisions.confirm([busy_image], kim), kim)

    client.get(at("shoeimage_change", busy_image.pk))
    with django_assert_max_num_queries(29):
        client.get(at("shoeimage_change", busy_image.pk))
    more()
    with django_assert_max_num_queries(29):
        client.get(at("shoeimage_change", busy_image.pk))


# --- undo


def test_my_last_steps_have_a_button_each(client, images, kim, member):
    decisions.confirm(images, kim)
    batch = decisions.reject(images[:1], kim, note="Only a box")
    decisions.reject(images[1:2], member("Curator", name="lee"))
    page = client.get(at("undo"))
    assert [(step["words"], step["images"]) for step in page.context["steps"]] == [
        ("rejected", 1), ("confirmed", 3),
    ]  # fmt: skip
    assert "Only a box" in text(page)
    after = client.post(at("undo"), {"batch": str(batch)}, follow=True)
    assert "1 decision undone." in text(after)
    assert after.context["steps"][0]["undone"] == 1
    images[0].refresh_from_db()
    assert images[0].state == "confirmed"


def test_a_step_that_cannot_be_undone_says_why(client, images, kim, member):
    batch = decisions.reject(images, kim)
    decisions.restore(images[:1], member("Curator", name="lee"))
    page = client.post(at("undo"), {"batch": str(batch)}, follow=True)
    assert "somebody has decided on it since" in text(page)
    page = client.post(at("undo"), {"batch": "nonsense"}, follow=True)
    assert "There is no such step" in text(page)


def test_a_curator_undoes_no_colleagues_step_there(client, images, kim, member):
    batch = decisions.reject(images, member("Curator", name="lee"))
    assert client.post(at("undo"), {"batch": str(batch)}).status_code == 403
    assert client.get(at("undo_span")).status_code == 403


def test_without_a_step_the_page_says_so(client, kim):
    assert "not decided on any image yet" in text(client.get(at("undo")))


def test_many_steps_take_no_more_queries(client, kim, django_assert_max_num_queries):
    ShoeImage.objects.bulk_create([row(n, label=shoe_type()) for n in range(30)])
    for image in ShoeImage.objects.all():
        decisions.confirm([image], kim)
    with django_assert_max_num_queries(9):
        assert len(client.get(at("undo")).context["steps"]) == 30


def test_an_operator_undoes_what_one_person_decided(client, images, boss, member):
    lee = member("Curator", name="lee")
    decisions.confirm(images, lee)
    decisions.reject(images[:1], boss)
    span = {"who": lee.pk, "since": "2020-01-01T00:00", "until": "2100-01-01T00:00"}
    page = client.get(at("undo_span"), span)
    assert page.context["counts"] == {"decisions": 3, "images": 3}
    page = client.post(at("undo_span"), span, follow=True)
    assert "2 decisions of lee undone. 1 images stay" in text(page)
    page = client.get(at("undo_span"), {**span, "until": "2019-01-01T00:00"})
    assert "“Until” comes after “from”." in text(page)


# --- bulk relabel


def test_bulk_relabelling_from_the_list_shows_first_and_is_one_step(client, images, kim):
    decisions.confirm(images[:1], kim)
    page = act(client, "bulk_relabel", images)
    assert "3 images chosen one by one" in text(page)
    sent = {"images": page.context["form"].initial["images"], "label": shoe_type("uggs").pk}
    page = client.post(at("bulk"), sent)
    shown = page.context["shown"]
    assert (shown.images, shown.confirmed) == (3, 1)
    assert "1 of them somebody has looked at" in text(page)
    assert set(ShoeImage.objects.values_list("label__slug", flat=True)) == {"chelsea-boots"}
    page = client.post(at("bulk"), {**sent, "expected": shown.expected, "do": "1"}, follow=True)
    assert "3 images are “Uggs” now" in text(page)
    assert Review.objects.filter(action="relabel").values("batch").distinct().count() == 1
    client.post(at("undo"), {"batch": str(Review.objects.first().batch)})
    assert set(ShoeImage.objects.values_list("label__slug", flat=True)) == {"chelsea-boots"}


def test_bulk_relabelling_a_view_of_the_queue(client, images, kim):
    page = client.get(at("bulk"), {"given": "chelsea-boots", "label": "uggs"})
    assert page.context["shown"].images == 3
    assert "Given label: chelsea-boots" in text(page)
    stored_image(9, label="loafers")
    sent = {"filter": "given=chelsea-boots", "label": shoe_type("uggs").pk, "do": "1"}
    client.post(at("bulk"), {**sent, "expected": page.context["shown"].expected})
    assert ShoeImage.objects.filter(label__slug="uggs").count() == 3


def test_what_changed_since_the_preview_is_shown_again(client, images, kim, member):
    page = client.get(at("bulk"), {"given": "chelsea-boots", "label": "uggs"})
    decisions.confirm(images[:1], member("Curator", name="lee"))
    sent = {"filter": "state=unreviewed", "label": shoe_type("uggs").pk, "do": "1"}
    page = client.post(at("bulk"), {**sent, "expected": page.context["shown"].expected})
    assert "Nothing was changed" in text(page)
    assert page.context["shown"].images == 2
    assert not Review.objects.filter(action="relabel").exists()


def test_bulk_relabelling_nothing_or_nonsense_is_refused_in_words(client, images, kim, settings):
    assert "Choose the images first" in text(client.get(at("bulk")))
    assert "cannot be filtered" in text(client.get(at("bulk"), {"state": "lost"}))
    assert "No image is meant" in text(client.get(at("bulk"), {"given": "uggs"}))
    assert "named by numbers" in text(client.post(at("bulk"), {"images": "1,x"}))
    settings.DECIDE_LISTED_MOST = 2
    assert "more than 2 images" in text(act(client, "bulk_relabel", images))


# --- merge


def test_a_type_is_merged_and_unmerged_on_its_page(client, images, kim):
    boots, uggs = shoe_type(), shoe_type("uggs")
    assert at("merge", boots.pk) in text(client.get(at("shoetype_change", boots.pk)))
    page = client.get(at("merge", boots.pk), {"into": uggs.pk})
    assert "3 images get the label “Uggs”" in text(page)
    page = client.post(at("merge", boots.pk), {"into": uggs.pk}, follow=True)
    assert "is merged into “Uggs”: 3 images have its label" in text(page)
    assert ShoeType.objects.get(pk=boots.pk).merged_into == uggs
    page = client.post(at("merge", boots.pk), {"undo": "1"}, follow=True)
    assert "3 images are as they were" in text(page)
    assert ShoeType.objects.get(pk=boots.pk).merged_into is None
    assert ShoeImage.objects.filter(label=boots).count() == 3


def test_what_came_in_after_a_merge_is_shown(client, kim):
    boots, uggs = shoe_type(), shoe_type("uggs")
    merge.merge(boots, uggs, kim)
    row(1, label=boots).save()
    assert "1 image still bears “Chelsea boots”" in text(client.get(at("merge", boots.pk)))
    client.post(at("merge", boots.pk), {"into": uggs.pk})
    assert ShoeImage.objects.get().label == uggs


def test_merging_needs_the_right_to_decide(client, member):
    client.force_login(member("Trainer"))
    assert client.get(at("merge", shoe_type().pk)).status_code == 403


def test_other_shoes_are_not_merged(client, kim):
    other = shoe_type("other-shoe")
    assert at("merge", other.pk) not in text(client.get(at("shoetype_change", other.pk)))
    page = client.get(at("merge", other.pk), {"into": shoe_type().pk})
    assert "only types of the guide" in text(page)


# --- purge


def test_a_purge_asks_twice_and_for_a_reason(
    client, images, boss, django_capture_on_commit_callbacks
):
    freeze.freeze("spring", freeze.Filter())
    page = act(client, "purge_images", images[:2])
    assert page.context["shown"].images == 2
    assert "spring" in text(page)
    sent = {"kind": "images", "value": ",".join(str(i.pk) for i in images[:2]), "step": "why"}
    page = client.post(at("purge"), {**sent, "why": " "})
    assert "Why do they have to go?" in text(page)
    page = client.post(at("purge"), {**sent, "why": "The owner asked."})
    assert "This cannot be undone" in text(page)
    sent |= {"why": "The owner asked.", "step": "number"}
    sent["expected"] = page.context["shown"].expected
    page = client.post(at("purge"), {**sent, "number": "3"})
    assert "not the number of images" in text(page)
    assert not Purge.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        page = client.post(at("purge"), {**sent, "number": "2"}, follow=True)
    assert "<strong>2 pictures</strong> removed by boss" in text(page)
    assert ShoeImage.objects.filter(state="purged").count() == 2
    done = Purge.objects.get()
    assert done.why == "The owner asked."
    page = client.post(at("purge_files", done.pk), follow=True)
    assert "The files of 2 pictures are gone" in text(page)


def test_a_purge_by_site(client, boss):
    row(1, domain="shop.example", label=shoe_type()).save()
    row(2, domain="other.example").save()
    page = client.get(at("purge"), {"kind": "domain", "value": "shop.example"})
    assert page.context["shown"].domains == [("shop.example", 1)]
    page = client.get(at("purge"), {"kind": "domain", "value": "nowhere.example"})
    assert "No picture here comes from there" in text(page)


def test_a_purge_of_other_images_than_shown_is_refused(client, boss):
    row(1, domain="shop.example").save()
    sent = {"kind": "domain", "value": "shop.example", "why": "Asked."}
    page = client.post(at("purge"), {**sent, "step": "why"})
    expected = page.context["shown"].expected
    ShoeImage.objects.update(domain="")
    row(2, domain="shop.example").save()
    page = client.post(at("purge"), {**sent, "step": "number", "number": "1", "expected": expected})
    assert "Other images are meant by now" in text(page)
    assert not Purge.objects.exists()


def test_a_curator_purges_nothing(client, images, kim):
    sent = {"kind": "images", "value": str(images[0].pk), "why": "x", "step": "number", "number": 1}
    assert client.post(at("purge"), sent).status_code == 403
    act(client, "purge_images", images)
    assert not Purge.objects.exists()
    assert not ShoeImage.objects.filter(state="purged").exists()


def test_a_purged_images_page_says_why_it_is_gone(client, images, boss):
    ShoeImage.objects.filter(pk=images[0].pk).update(
        state="purged", stored_sha256="",
        purge=Purge.objects.create(by=boss, why="Asked.", scope="one"),
    )  # fmt: skip
    page = client.get(at("shoeimage_change", images[0].pk))
    assert "Removed for good" in text(page)
    assert not page.context["buttons"]
    assert "Asked." in text(client.get(at("purge_changelist")))


# --- agreement


def test_agreement_is_shown_with_what_people_differ_on(client, images, kim, member):
    assert "No image was judged by two people yet" in text(client.get(at("agreement")))
    decisions.confirm(images, kim)
    decisions.reject(images[:1], member("Curator", name="lee"))
    decisions.confirm(images[1:], member("Curator", name="ann"))
    shown = text(client.get(at("agreement")))
    assert "kim and lee" in shown and "67 %" in shown
    assert at("shoeimage_change", images[0].pk) in shown
