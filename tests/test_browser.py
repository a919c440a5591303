"""The page in a real browser. Without one these tests are skipped, or, with REQUIRE_BROWSER=1,
fail."""

from pathlib import Path

import pytest
from PIL import Image

from classifier import photo, store
from tests import tiny_model
from tests.browsing import PHONE, Visit
from tests.drawing import encoded

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PREDICTIONS = "**/api/v1/predictions/"
CHELSEA, BETWEEN_BOOTS, CYAN, BLACK = (255, 0, 0), (226, 0, 0), (0, 255, 255), (0, 0, 0)

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


@pytest.fixture
def version(tmp_path):
    yield tiny_model.activate(tmp_path / "version")
    store.forget()


class Site(Visit):
    """A visitor of the recogniser."""

    def choose(self, *files):
        self.page.set_input_files("#gallery", list(files))

    def cards(self):
        from playwright.sync_api import expect

        expect(self.page.locator(".answer.waiting")).to_have_count(0)
        return self.page.locator(".answer").all()

    def headlines(self):
        return [card.locator("h2").inner_text() for card in self.cards()]


@pytest.fixture
def visit(browser, live_server):
    visits = []

    def start(**options):
        visits.append(Site(browser, live_server.url, **options))
        return visits[-1]

    yield start
    for each in visits:
        each.context.close()
        assert each.errors == []
        assert each.strangers == []


def picture(tmp_path, colour=CHELSEA, name="shoe.png", format="PNG", size=(120, 120)) -> str:
    path = tmp_path / name
    path.write_bytes(encoded(Image.new("RGB", size, colour), format))
    return str(path)


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


def test_bytes_are_sent_as_they_are(visit, version, tmp_path, monkeypatch):
    received, read = [], photo.read
    monkeypatch.setattr(
        photo, "read", lambda request: received.append(read(request)) or received[0]
    )
    v = visit().open()
    path = picture(tmp_path, name="a.tiff", format="TIFF")
    v.choose(path)
    (card,) = v.cards()
    assert card.locator("h2").inner_text() == "Chelsea boots"
    assert received == [Path(path).read_bytes()]
    assert card.locator("figcaption").is_visible(), "Chromium shows no TIFF, and that is said"


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


def test_errors_are_told_in_words_and_can_be_removed(visit, version, tmp_path, settings):
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

    v.page.route(PREDICTIONS, busy)
    v.choose(picture(tmp_path))
    v.page.get_by_text("Trying again in 1 s").first.wait_for()
    assert v.headlines() == ["Chelsea boots"]


def test_lost_connection_is_told_and_can_be_tried_again(visit, version, tmp_path):
    v = visit().open()
    v.page.route(PREDICTIONS, lambda route: route.abort())
    v.choose(picture(tmp_path))
    (card,) = v.cards()
    assert "Check your connection" in card.inner_text()
    v.page.unroute(PREDICTIONS)
    card.get_by_role("button", name="Try again").click()
    assert v.headlines() == ["Chelsea boots"]


def test_waiting_can_be_cancelled(visit, version, tmp_path):
    v = visit().open()
    v.page.route(PREDICTIONS, lambda route: None)  # never answered
    v.choose(picture(tmp_path))
    v.page.get_by_role("button", name="Cancel").click()
    assert v.cards() == []
    v.page.unroute(PREDICTIONS)
    v.choose(picture(tmp_path))
    assert v.headlines() == ["Chelsea boots"]


def test_without_javascript_the_form_is_answered(visit, version, tmp_path):
    v = visit(java_script_enabled=False).open()
    v.page.set_input_files("#gallery", picture(tmp_path))
    v.page.get_by_role("button", name="Recognise").click()
    assert v.page.locator(".answer h2").inner_text() == "Chelsea boots"
    assert v.page.get_by_text("nothing of it was kept").is_visible()


@pytest.mark.parametrize("width", [320, 360])
def test_phone_needs_no_sideways_scrolling(visit, version, tmp_path, width):
    v = visit(**{**PHONE, "viewport": {"width": width, "height": 640}}).open()
    assert v.page.get_by_text("Take a photo").is_visible()
    assert v.page.locator("#camera").get_attribute("capture") == "environment"
    assert not v.too_wide()
    v.choose(picture(tmp_path), picture(tmp_path, BETWEEN_BOOTS, "b.png", size=(300, 30)))
    v.cards()
    assert not v.too_wide()
    for path in ("/guide/", "/guide/mary-jane-platforms/", "/privacy/"):
        v.open(path)
        assert not v.too_wide(), path


def test_api_docs_work_under_their_policy(visit, version):
    v = visit().open("/api/v1/docs/")
    v.page.get_by_text("Recognise the shoe in a photo").click()
    v.page.get_by_role("button", name="Try it out").click()
    assert v.page.locator("#swagger-ui input[type=file]").is_visible()
