"""The page in a real browser. Without one these tests are skipped, or, with REQUIRE_BROWSER=1,
fail."""

import io
from pathlib import Path

import pytest
from PIL import Image

from classifier.answers import answer
from classifier.models import Feedback
from curation.models import ShoeImage
from tests.browsing import BETWEEN_BOOTS, BLACK, CHELSEA, CYAN, PHONE, picture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PREDICTIONS = "**/api/v1/predictions/*"

DROP = """([bytes, type]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
  for (const kind of type) {
    const event = kind === "paste"
      ? new ClipboardEvent(kind, { clipboardData: data, bubbles: true, cancelable: true })
      : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
    document.querySelector("[data-recogniser]").dispatchEvent(event);
  }
}"""


def test_photo_is_answered_and_the_next_one_leaves_it_standing(visit, version, tmp_path):
    v = visit().open()
    v.choose(picture(tmp_path))
    (card,) = v.cards()
    assert card.locator("h2").inner_text() == "Chelsea boots"
    assert card.locator("meter").count() == 5
    assert card.locator(".top .name").first.get_attribute("href") == "/guide/chelsea-boots/"
    for part in ("pros", "cons", "distinction"):
        assert card.locator(f".{part} li").count() >= 2
    assert card.locator("img").evaluate("image => image.naturalWidth") == 120
    assert "Chelsea boots" in v.page.locator("[data-status]").inner_text()

    v.choose(picture(tmp_path, BETWEEN_BOOTS, "two.png"), picture(tmp_path, CYAN, "three.png"))
    v.choose(picture(tmp_path, BLACK, "four.png"))
    assert v.headlines() == [
        "This does not look like a shoe",
        "Not sure – this photo does not tell",
        "Boots, probably Army boots or Chelsea boots",
        "Chelsea boots",
    ]
    assert v.page.locator("#gallery").is_visible()


@pytest.fixture
def received(monkeypatch):
    """The bytes of every photo that is looked at."""
    photos, predict = [], answer.predict
    monkeypatch.setattr(
        answer, "predict", lambda data, *more: photos.append(data) or predict(data, *more)
    )
    return photos


def test_what_the_browser_cannot_read_is_sent_as_it_is(visit, version, tmp_path, received):
    v = visit().open()
    path = picture(tmp_path, name="a.tiff", format="TIFF")
    v.choose(path)
    (card,) = v.cards()
    assert card.locator("h2").inner_text() == "Chelsea boots"
    assert received == [Path(path).read_bytes()]
    assert card.locator("figcaption").is_visible(), "Chromium shows no TIFF, and that is said"


def test_large_photo_is_sent_small_and_upright(visit, version, tmp_path, received):
    lying = Image.effect_noise((600, 300), 60).convert("RGB")
    lying.paste(CHELSEA, (0, 0, 300, 300))
    turn = Image.Exif()
    turn[0x0112] = 6  # to be turned clockwise: what is left lies on top
    lying.save(tmp_path / "phone.jpg", quality=95, exif=turn)
    v = visit().open()
    v.choose(tmp_path / "phone.jpg")
    v.cards()
    sent = Image.open(io.BytesIO(received[0]))
    assert sent.format == "JPEG" and sent.size == (40, 80), "2.5 times the 32 of the model"
    assert not sent.getexif()
    red, _, blue = sent.convert("RGB").getpixel((20, 10))
    assert red > 200 and blue < 80


@pytest.mark.parametrize("events", [["dragenter", "dragover", "drop"], ["paste"]])
def test_photo_can_be_dropped_and_pasted(visit, version, tmp_path, events):
    v = visit().open()
    v.page.evaluate(DROP, [list(Path(picture(tmp_path)).read_bytes()), events])
    assert v.headlines() == ["Chelsea boots"]
    assert "over" not in v.page.locator("[data-recogniser]").get_attribute("class").split()


def test_dropped_link_leaves_the_page_and_its_answers_alone(visit, version, tmp_path):
    v = visit().open()
    v.choose(picture(tmp_path))
    v.page.evaluate("""() => {
      const data = new DataTransfer();
      data.setData("text/uri-list", "/elsewhere.jpg");
      const event = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
      if (document.body.dispatchEvent(event)) throw new Error("the browser would follow it");
    }""")
    note, answered = v.cards()
    assert "a link to a picture" in note.inner_text()
    assert answered.locator("h2").inner_text() == "Chelsea boots"


def test_keyboard_opens_the_chooser(visit, version, tmp_path):
    v = visit()
    # Listened for from the start: the browser is told to hand choosers over when the first listener
    # comes, and a key pressed right after that may be faster.
    v.page.on("filechooser", lambda chooser: chooser.set_files(picture(tmp_path)))
    v.open()
    for _ in range(10):
        v.page.keyboard.press("Tab")
        if v.page.evaluate("document.activeElement.id") == "gallery":
            break
    assert v.page.evaluate("document.activeElement.id") == "gallery"
    v.page.keyboard.press("Enter")
    v.page.wait_for_selector(".answer.done")
    assert v.headlines() == ["Chelsea boots"]


def test_from_a_photo_to_its_explanation_to_feedback_and_back(visit, version, tmp_path):
    v = visit(permissions=["clipboard-read", "clipboard-write"]).open()
    v.choose(picture(tmp_path, BETWEEN_BOOTS))
    (card,) = v.cards()

    card.get_by_text("Why this answer?").click()
    card.locator(".explained").wait_for()
    assert "What speaks for Army boots lies" in card.locator("[data-part=where]").inner_text()
    assert card.locator("canvas").get_attribute("aria-label").startswith("What speaks for")
    assert card.locator("canvas").bounding_box() == card.locator(".map img").bounding_box()
    assert card.get_by_role("heading", name="Why not Chelsea boots?").is_visible()
    assert card.locator(".apart dd").count() >= 2
    assert card.get_by_text("has not looked at the confirmed photographs").is_visible()

    card.get_by_role("button", name="Copy link").click()
    card.get_by_role("button", name="Copied").wait_for()
    shared = v.page.evaluate("navigator.clipboard.readText()")

    assert card.get_by_role("button", name="Send feedback").is_hidden()
    card.get_by_role("radio", name="No").check()
    card.get_by_label("What is it?").fill("moon boots")
    card.get_by_role("button", name="Send feedback").click()
    card.get_by_text("No type is called that").wait_for()
    card.get_by_label("What is it?").fill("loaf")
    card.get_by_label("Give the photo too.").check()
    card.get_by_role("button", name="Send feedback").click()
    card.locator(".thanks").wait_for()
    assert v.page.evaluate("document.activeElement.className") == "thanks"
    feedback, image = Feedback.objects.get(), ShoeImage.objects.get()
    assert (feedback.right, feedback.shoe_type.slug, image.proposed.slug) == (
        False,
        "loafers",
        "loafers",
    )

    code = card.locator("code").inner_text()
    card.get_by_role("link", name="have the photo removed").click()
    v.page.get_by_label("Code").fill(code)
    v.page.get_by_role("button", name="Remove the photo").click()
    v.page.get_by_role("heading", name="The photo is removed").wait_for()
    image.refresh_from_db()
    assert image.state == ShoeImage.State.PURGED

    v.page.goto(shared)
    assert "Army boots" in v.page.locator(".answer h2").inner_text()
    assert v.page.get_by_text("The photo was not kept").is_visible()


def test_several_photos_of_which_one_fails_and_is_tried_again(visit, version, tmp_path):
    v = visit().open()
    lost = []

    def lose_the_second(route):
        if lost or v.page.locator(".answer.done").count() == 1:
            lost.append(route)
            route.abort()
        else:
            route.continue_()

    v.route(PREDICTIONS, lose_the_second)
    v.choose(picture(tmp_path), picture(tmp_path, BLACK, "two.png"))
    v.page.get_by_text("The connection dropped. Trying again").first.wait_for()
    _, answered = v.page.locator(".answer").all()
    assert answered.locator("h2").inner_text() == "Chelsea boots", "one does not wait for the other"
    failed, _ = v.cards()
    assert "Check your connection" in failed.inner_text() and "two.png" in failed.inner_text()
    assert len(lost) == 4
    overview = v.page.locator("[data-overview]")
    assert overview.inner_text() == "1 of 2 photos answered, 1 did not work"
    v.page.unroute(PREDICTIONS)
    failed.get_by_role("button", name="Try again").click()
    assert v.headlines() == ["This does not look like a shoe", "Chelsea boots"]
    assert overview.is_hidden()
    assert v.page.evaluate("document.activeElement.dataset.verdict") == "not_a_shoe"
    answered.get_by_text("Pros, cons and how to tell").click()
    assert answered.locator(".pros").is_visible()


def test_the_rest_can_be_cancelled(visit, version, tmp_path):
    v = visit().open()
    v.route(PREDICTIONS, lambda route: None)  # never answered
    v.choose(picture(tmp_path), picture(tmp_path, BLACK, "two.png"))
    v.page.get_by_role("button", name="Cancel the rest").click()
    assert v.cards() == []
    assert v.page.evaluate("document.activeElement.id") == "gallery"


def test_keyboard_alone_is_enough(visit, version, tmp_path):
    v = visit().open()
    v.choose(picture(tmp_path))
    (card,) = v.cards()
    v.page.locator("#gallery").focus()

    def tab_to(selector):
        for _ in range(20):
            v.page.keyboard.press("Tab")
            if v.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"Tab does not lead to {selector}")

    tab_to(".why summary")
    v.page.keyboard.press("Enter")
    card.locator(".explained").wait_for()
    tab_to("[name=right]")
    v.page.keyboard.press("Space")
    tab_to("[data-part=send]")
    v.page.keyboard.press("Enter")
    card.locator(".thanks").wait_for()
    assert Feedback.objects.get().right
    tab_to("[data-part=link]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible(visit, version, tmp_path, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    v = visit(color_scheme=scheme).open()

    def clean(what):
        found = axe.run(v.page).response["violations"]
        assert not found, (what, [(f["id"], [n["html"][:200] for n in f["nodes"]]) for f in found])

    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    v.choose(picture(tmp_path, BETWEEN_BOOTS), tmp_path / "a.pdf")
    _, card = v.cards()
    card.get_by_text("Why this answer?").click()
    card.locator(".explained").wait_for()
    card.get_by_role("radio", name="No").check()
    card.get_by_role("button", name="Send feedback").is_visible()
    clean("answered, explained, asked")
    shared = card.get_by_role("link", name="Link to this answer").get_attribute("href")
    card.get_by_role("button", name="Send feedback").click()
    card.locator(".thanks").wait_for()
    clean("thanked")
    paths = ["/guide/", "/guide/?q=spaceship", "/guide/category/boots/", "/guide/uggs/"]
    for path in [*paths, "/privacy/", "/withdraw/", shared, "/a/unknown/"]:
        v.open(path)
        clean(path)


def test_guide_is_searched_while_one_types(visit, version):
    v = visit().open("/guide/")
    v.page.get_by_label("Find a type").fill("chel")
    assert v.page.locator(".entry:visible").all_inner_texts()[0].startswith("Chelsea boots")
    assert v.page.locator(".entry:visible").count() == 1
    assert v.page.get_by_role("status").inner_text() == "1 of 36 types"
    assert v.page.url.endswith("?q=chel")
    v.page.get_by_label("Find a type").fill("spaceship")
    assert v.page.get_by_text("No type is called that").is_visible()
    v.page.get_by_label("Find a type").fill("")
    assert v.page.locator(".entry:visible").count() == 36


def test_errors_are_explained_and_can_be_removed(visit, version, tmp_path, settings):
    settings.IMAGE_MAX_BYTES = 1024**2
    v = visit().open()
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "big.jpg").write_bytes(b"\xff\xd8\xff" + bytes(2 * 1024**2))
    v.choose(tmp_path / "a.pdf", tmp_path / "big.jpg")
    big, pdf = v.cards()
    assert "larger than the 1 MB allowed" in big.inner_text()
    assert "a PDF" in pdf.inner_text() and "a.pdf" in pdf.inner_text()
    assert pdf.get_by_role("button", name="Try again").count() == 0
    big.get_by_role("button", name="Remove").click()
    assert len(v.cards()) == 1


def test_busy_site_is_asked_again(visit, version, tmp_path):
    v = visit().open()
    refusals = iter([1])

    def busy(route):
        if next(refusals, None):
            route.fulfill(
                status=503,
                headers={"Retry-After": "1", "Content-Type": "application/problem+json"},
                body='{"code": "too_busy", "detail": "Busy."}',
            )
        else:
            route.continue_()

    v.route(PREDICTIONS, busy)
    v.choose(picture(tmp_path))
    v.page.get_by_text("Trying again in 1 s").first.wait_for()
    assert v.headlines() == ["Chelsea boots"]


def test_waiting_can_be_cancelled(visit, version, tmp_path):
    v = visit().open()
    v.route(PREDICTIONS, lambda route: None)  # never answered
    v.choose(picture(tmp_path))
    v.page.get_by_role("button", name="Cancel").click()
    assert v.cards() == []
    v.page.unroute(PREDICTIONS)
    v.choose(picture(tmp_path))
    assert v.headlines() == ["Chelsea boots"]


def test_without_javascript_the_form_is_answered(visit, version, tmp_path):
    v = visit(java_script_enabled=False, viewport={"width": 320, "height": 640}).open()
    v.page.set_input_files("#gallery", picture(tmp_path))
    v.page.get_by_label("Explain the answer").check()
    v.page.get_by_role("button", name="Recognise").click()
    assert v.page.locator(".answer h2").inner_text() == "Chelsea boots"
    assert v.page.get_by_text("nothing of it was kept").is_visible()
    assert v.page.get_by_text("What speaks for Chelsea boots lies").is_visible()
    v.page.get_by_role("radio", name="No").check()
    v.page.get_by_label("What is it?").select_option("Loafers")
    v.page.get_by_label("Give the photo too.").check()
    v.page.get_by_label("The photo once more").set_input_files(picture(tmp_path))
    # Without scripts a page cannot be measured from within.
    assert v.page.locator(".feedback").bounding_box()["width"] < 320
    assert v.page.locator(".again input").bounding_box()["width"] < 320
    v.page.get_by_role("button", name="Send feedback").click()
    v.page.get_by_role("link", name="have the photo removed").wait_for()


@pytest.mark.parametrize("width", [320, 360])
def test_phone_needs_no_sideways_scrolling(visit, version, tmp_path, width):
    v = visit(**{**PHONE, "viewport": {"width": width, "height": 640}}).open()
    assert v.page.get_by_text("Take a photo", exact=True).is_visible()
    assert v.page.locator("#camera").get_attribute("capture") == "environment"
    assert not v.too_wide()
    v.choose(picture(tmp_path), picture(tmp_path, BETWEEN_BOOTS, "b.png", size=(300, 30)))
    v.cards()
    assert not v.too_wide()
    paths = ["/guide/", "/guide/category/womens-heels/", "/guide/mary-jane-platforms/"]
    for path in [*paths, "/privacy/", "/withdraw/", "/a/unknown/"]:
        v.open(path)
        assert not v.too_wide(), path


def test_api_docs_work_under_their_policy(visit, version):
    v = visit().open("/api/v1/docs/")
    v.page.get_by_text("Recognise the shoe in a photo").click()
    v.page.get_by_role("button", name="Try it out").click()
    assert v.page.locator("#swagger-ui input[type=file]").is_visible()
    # Swagger UI says so of every list of files, and offers it all the same.
    v.errors = [error for error in v.errors if "JsonSchema_string_binary" not in error]
