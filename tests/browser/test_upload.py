"""The upload page in a browser, with and without script."""

from contextlib import suppress

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from curation.models import Import
from tests.browsing import PHONE, Visit
from tests.curation.test_upload_page import PAGE, kept, own_media, packed, perform  # noqa: F401
from tests.factories import jpeg


@pytest.fixture
def visit(browser, live_server, django_user_model):
    visits = []

    def make(**options):
        user, new = django_user_model.objects.get_or_create(username="kim", is_staff=True)
        user.groups.set(Group.objects.filter(name="Curator"))
        client = Client()
        client.force_login(user)
        visitor = Visit(browser, live_server.url, **options)
        cookie = client.cookies["sessionid"].value
        visitor.context.add_cookies(
            [{"name": "sessionid", "value": cookie, "url": live_server.url}]
        )  # fmt: skip
        visits.append(visitor)
        return visitor.open(reverse(PAGE))

    yield make
    for visitor in visits:
        with suppress(Exception):
            visitor.page.wait_for_load_state("networkidle", timeout=5000)
        visitor.context.close()
        assert visitor.errors == []
        assert visitor.strangers == []


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "p"
    for seed in range(45):
        path = folder / ("uggs" if seed % 2 else "sneakers") / f"{seed}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(seed))
    (folder / "uggs" / ".DS_Store").write_bytes(b"x")
    return folder


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
class TestBrowser:
    def choose(self, v, *paths):
        v.page.set_input_files("#id_files", [str(path) for path in paths])

    def wait_for_text(self, v, words):
        v.page.wait_for_function(
            "w => document.querySelector('.upload-area').textContent.includes(w)", arg=words
        )

    def wait_for_import(self, v):
        v.page.wait_for_url("**/import/*/change/")
        return Import.objects.get()

    def test_it_sends_groups_and_queues_one_import(self, visit, photos):
        v = visit()
        sent = []
        v.page.on("request", lambda r: sent.append(r.url) if r.method == "POST" else None)
        self.choose(v, *sorted(photos.glob("uggs/*.jpg")), *photos.glob("sneakers/*.jpg"))
        self.wait_for_text(v, "45 files,")
        v.page.select_option("#id_label", label="Uggs")
        v.page.check("#id_keep_copies")
        v.page.click("#upload [type=submit]")
        assert str(self.wait_for_import(v)) == "Import of 45 uploaded files"
        assert len([url for url in sent if url.endswith("/part/")]) == 3
        assert perform().report["added"] == 45

    def test_a_folder_labels_by_its_folders(self, visit, photos):
        v = visit()
        with v.page.expect_file_chooser() as chooser:
            v.page.click("text=Choose a folder")
        chooser.value.set_files(str(photos))
        self.wait_for_text(v, "45 files,")
        v.page.check("#id_keep_copies")
        v.page.click("#upload [type=submit]")
        self.wait_for_import(v)
        assert perform().report["added"] == 45

    def test_files_are_dropped(self, visit):
        v = visit()
        v.page.evaluate(
            """() => {
                const dataTransfer = new DataTransfer();
                for (const name of ["a.jpg", "b.jpg", ".DS_Store"])
                    dataTransfer.items.add(new File(["x".repeat(2048)], name));
                const drop = new DragEvent("drop", { dataTransfer, bubbles: true });
                document.querySelector(".upload-area").dispatchEvent(drop);
            }"""
        )
        self.wait_for_text(v, "2 files, 4 KB.")

    def test_it_says_what_is_missing_before_anything_is_sent(self, visit, photos):
        v = visit()
        v.page.click("#upload [type=submit]")
        self.wait_for_text(v, "Choose files first.")
        self.choose(v, photos / "uggs" / "1.jpg")
        v.page.click("#upload [type=submit]")
        self.wait_for_text(v, "Choose what they show")
        assert kept() == []

    def test_limits_are_checked_in_the_browser(self, visit, photos, settings):
        settings.UPLOAD_MAX_FILES, settings.IMAGE_MAX_BYTES = 3, 1
        v = visit()
        (photos / "a.zip").write_bytes(packed("uggs/a.jpg"))
        (photos / "b.zip").write_bytes(packed("uggs/a.jpg"))
        self.choose(v, photos / "a.zip", photos / "b.zip")
        self.wait_for_text(v, "not several of these together")
        self.choose(v, photos / "uggs" / "1.jpg")
        self.wait_for_text(v, "1 left out, larger than 1 KB: 1.jpg")
        self.choose(v, photos / "a.zip")
        self.wait_for_text(v, "1 file,")

    def test_a_group_that_fails_is_sent_again(self, visit, photos):
        v = visit()
        failures = iter([503, 503])

        def answer(route):
            status = next(failures, None)
            route.fulfill(status=status, body="busy") if status else route.continue_()

        v.route("**/part/", answer)
        self.choose(v, photos / "uggs" / "1.jpg")
        v.page.select_option("#id_label", label="Uggs")
        v.page.clock.install()
        v.page.click("#upload [type=submit]")
        for _ in range(20):
            v.page.clock.run_for(1000)
            if "/change/" in v.page.url:
                break
            v.page.wait_for_timeout(100)
        self.wait_for_import(v)

    def test_a_refusal_is_shown_and_sending_can_be_tried_again(self, visit, photos):
        v = visit()
        answers = iter(["The server said no."])

        def answer(route):
            why = next(answers, None)
            if why:
                route.fulfill(status=400, json={"error": why})
            else:
                route.continue_()

        v.route("**/part/", answer)
        self.choose(v, photos / "uggs" / "1.jpg")
        v.page.select_option("#id_label", label="Uggs")
        v.page.click("#upload [type=submit]")
        self.wait_for_text(v, "The server said no.")
        v.page.click("text=Send again")
        self.wait_for_import(v)

    def test_cancelling_leaves_nothing(self, visit, photos):
        v = visit()
        held = []
        v.route(
            "**/part/", lambda route: held.append(route) if kept() else route.continue_()
        )  # fmt: skip
        self.choose(v, *photos.glob("uggs/*.jpg"), *photos.glob("sneakers/*.jpg"))
        v.page.select_option("#id_label", label="Uggs")
        v.page.click("#upload [type=submit]")
        v.page.wait_for_selector("text=Cancel")
        for _ in range(50):
            if kept():
                break
            v.page.wait_for_timeout(100)
        v.page.click("text=Cancel")
        self.wait_for_text(v, "Cancelled; nothing of it was kept.")
        for route in held:
            route.abort()
        for _ in range(50):
            if len(kept()) == 1:
                break
            v.page.wait_for_timeout(100)
        assert [name.split("/")[1] for name in kept()] == ["dropped"]
        v.page.unroute("**/part/")
        self.choose(v, photos / "uggs" / "1.jpg")
        v.page.click("#upload [type=submit]")
        assert str(self.wait_for_import(v)) == "Import of 1.jpg (uploaded)"

    def test_without_script_the_form_does_it_all(self, visit, photos):
        v = visit(java_script_enabled=False)
        self.choose(v, photos / "uggs" / "1.jpg", photos / "uggs" / "3.jpg")
        v.page.select_option("#id_label", label="Uggs")
        v.page.click("#upload [type=submit]")
        assert str(self.wait_for_import(v)) == "Import of 2 uploaded files"

    def test_it_fits_a_phone(self, visit):
        v = visit(**PHONE)
        assert not v.too_wide()
