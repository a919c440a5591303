"""The static page: what is written, and that it works in a browser from another origin."""

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from classifier.registry import serving
from curation.models import ShoeType
from tests import tiny_model
from tests.browser.test_recogniser import BETWEEN_BOOTS, BLACK, CHELSEA, DROP, PREDICTIONS, picture
from tests.browsing import PHONE, Visit, close
from tests.drawing import encoded

API = "https://shoes.example"


def export(folder, api=API, **options):
    call_command("export_site", folder, api=api, **options)
    return folder


def names(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.django_db
def test_everything_the_page_needs_is_in_the_folder(tmp_path):
    folder = export(tmp_path / "new" / "page")
    assert {"index.html", "404.html", ".nojekyll", "README.md", "site/icons.svg"} < names(folder)
    page = (folder / "index.html").read_text()
    wanted = set(re.findall(r'(?:href|src)="(site/[^"#]*)', page))
    for path in (folder / "site").glob("*.js"):
        wanted |= {f"site/{name}" for name in re.findall(r'from "\./(.*?)"', path.read_text())}
    assert wanted and wanted <= names(folder)
    assert "/static/" not in page
    assert not list(folder.glob(".part-*"))


@pytest.mark.django_db
def test_guide_is_written_into_the_page(tmp_path):
    row = ShoeType.objects.get(slug="uggs")
    row.pros = ['Warm & "soft" <b>inside</b>']
    row.save()
    page = (export(tmp_path / "page") / "index.html").read_text()
    assert page.count('<details class="entry"') == 36
    assert "Warm &amp; &quot;soft&quot; &lt;b&gt;inside&lt;/b&gt;" in page


@pytest.mark.django_db
def test_policy_lets_the_page_ask_that_installation_alone(tmp_path):
    page = (
        export(tmp_path / "page", "https://Shoes.example:8443/there/") / "index.html"
    ).read_text()
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)[1]
    assert "connect-src https://shoes.example:8443;" in policy and "default-src" in policy
    assert 'data-api="https://shoes.example:8443/there/api/v1/predictions/"' in page


@pytest.mark.django_db
def test_readme_says_which_origin_to_allow_and_what_becomes_of_photos(tmp_path):
    folder = export(tmp_path / "page", url="https://kim.github.io/shoes/")
    readme = (folder / "README.md").read_text()
    assert "CORS_ORIGINS=https://kim.github.io\n" in readme
    assert "not stored" in readme and f"{API}/privacy/" in readme
    assert 'href="/shoes/site/site.css"' in (folder / "404.html").read_text()


@pytest.mark.django_db
def test_folder_with_something_in_it_is_left_alone_unless_forced(tmp_path):
    (tmp_path / "CNAME").write_text("mine")
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(CommandError, match="not empty"):
        export(tmp_path)
    assert names(tmp_path) == {"CNAME", "index.html"}
    export(tmp_path, force=True)
    assert (tmp_path / "CNAME").read_text() == "mine"
    assert "Which shoe" in (tmp_path / "index.html").read_text()


@pytest.mark.django_db
def test_clone_of_an_empty_repository_counts_as_empty(tmp_path):
    (tmp_path / ".git").mkdir()
    assert "index.html" in names(export(tmp_path))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "api",
    [
        "shoes.example", "ftp://shoes.example", "http://shoes.example", "https://", "https://a b",
        "https://kim:secret@shoes.example", "https://shoes.example/?q=1", "https://a;b", "https://a:x",
        "https://shoes.example/'><script>",
    ],
)  # fmt: skip
def test_address_that_is_none_is_refused(tmp_path, api):
    with pytest.raises(CommandError, match="cannot be used"):
        export(tmp_path / "page", api)
    assert not (tmp_path / "page").exists()


@pytest.mark.django_db
def test_file_in_place_of_the_folder_is_reported(tmp_path):
    (tmp_path / "page").write_text("")
    with pytest.raises(CommandError, match="it is a file"):
        export(tmp_path / "page", force=True)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def elsewhere(tmp_path, live_server, settings):
    """The page's address, on another origin that the API allows."""
    folder = tmp_path / "pages" / "shoes"
    folder.parent.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_port}"
    settings.CORS_ALLOWED_ORIGINS = [origin]
    version = tiny_model.activate(tmp_path / "version")
    export(folder, live_server.url, url=f"{origin}/shoes/")
    assert version
    yield origin
    server.shutdown()
    server.server_close()
    serving.forget()


class Page(Visit):
    def __init__(self, browser, address, api, **options):
        self.hosts = (address, api, "blob:", "data:")
        super().__init__(browser, address, **options)

    def _on_request(self, request):
        if not request.url.startswith(self.hosts):
            self.strangers.append(request.url)

    def choose(self, *files):
        self.page.set_input_files("#gallery", list(files))

    def answered(self):
        from playwright.sync_api import expect

        expect(self.page.locator(".answer.waiting")).to_have_count(0, timeout=15_000)
        return self.page.locator(".answer").all()

    def headlines(self):
        return [card.locator("h2").inner_text() for card in self.answered()]


@pytest.fixture
def visit(browser, elsewhere, live_server):
    visits = []

    def start(**options):
        visits.append(Page(browser, elsewhere, live_server.url, **options))
        visits[-1].page.goto(f"{elsewhere}/shoes/")
        return visits[-1]

    yield start
    close(visits)


def browser_test(function):
    return pytest.mark.browser(pytest.mark.django_db(transaction=True)(function))


@browser_test
def test_photo_is_answered_from_another_origin(visit, tmp_path, live_server):
    v = visit()
    v.choose(picture(tmp_path))
    (card,) = v.answered()
    assert card.locator("h2").inner_text() == "Chelsea boots"
    assert card.locator("meter").count() == 5
    for part in ("pros", "cons", "distinction"):
        assert card.locator(f".{part} li").count() >= 2
    link = card.get_by_role("link", name="Link to this answer").get_attribute("href")
    assert link.startswith(f"{live_server.url}/a/")
    v.choose(picture(tmp_path, BETWEEN_BOOTS, "b.png"), picture(tmp_path, BLACK, "c.png"))
    assert v.headlines()[:2] == [
        "This does not look like a shoe",
        "Boots, probably Army boots or Chelsea boots",
    ]


@browser_test
@pytest.mark.parametrize("events", [["dragenter", "dragover", "drop"], ["paste"]])
def test_photo_can_be_dropped_and_pasted(visit, tmp_path, events):
    v = visit()
    v.page.evaluate(DROP, [list(Path(picture(tmp_path)).read_bytes()), events])
    assert v.headlines() == ["Chelsea boots"]


@browser_test
def test_keyboard_leads_from_an_answer_to_the_guide(visit, tmp_path):
    v = visit()
    v.choose(picture(tmp_path))
    v.answered()
    v.page.get_by_label("Find a type").fill("uggs")
    assert v.page.locator(".entry:visible").count() == 1
    v.page.locator(".top .name").first.focus()
    v.page.keyboard.press("Enter")
    v.page.wait_for_function("document.activeElement.closest('details')?.id === 'chelsea-boots'")
    assert v.page.locator("#chelsea-boots .pros").is_visible()


@browser_test
def test_page_refused_by_cors_says_who_can_change_that(visit, tmp_path, settings, elsewhere):
    settings.CORS_ALLOWED_ORIGINS = []
    v = visit()
    v.choose(picture(tmp_path))
    (card,) = v.answered()
    assert "does not allow this page to ask it" in card.inner_text()
    assert f"add {elsewhere} to its CORS_ORIGINS" in card.inner_text()
    assert v.errors and all("CORS policy" in error for error in v.errors)
    v.errors = []


@browser_test
def test_lost_connection_and_missing_network_have_different_messages(visit, tmp_path):
    v = visit()
    v.page.route("**/api/v1/**", lambda route: route.abort())
    v.choose(picture(tmp_path))
    (card,) = v.answered()
    assert "does not answer. Check your connection" in card.inner_text()
    v.page.unroute("**/api/v1/**")
    v.context.set_offline(True)
    card.get_by_role("button", name="Try again").click()
    (card,) = v.answered()
    assert "You are offline" in card.inner_text()
    assert v.page.locator(".entry").count() == 36
    v.context.set_offline(False)
    card.get_by_role("button", name="Try again").click()
    assert v.headlines() == ["Chelsea boots"]


@browser_test
def test_refusal_of_the_installation_is_shown_in_its_words(visit, tmp_path):
    v = visit()
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "big.jpg").write_bytes(b"\xff\xd8\xff" + bytes(21 * 1024**2))
    v.choose(tmp_path / "a.pdf", tmp_path / "big.jpg")
    big, pdf = v.answered()
    assert "larger than the 20 MB allowed" in big.inner_text()
    assert "a PDF" in pdf.inner_text()


@browser_test
def test_busy_installation_is_asked_again(visit, tmp_path, elsewhere):
    v = visit()
    refusals = iter([1])

    def busy(route):
        if route.request.method == "POST" and next(refusals, None):
            route.fulfill(
                status=503,
                headers={
                    "Retry-After": "1",
                    "Access-Control-Allow-Origin": elsewhere,
                    "Access-Control-Expose-Headers": "Retry-After",
                },
                body='{"code": "too_busy", "detail": "Busy."}',
            )
        else:
            route.continue_()

    v.page.route(PREDICTIONS, busy)
    v.choose(picture(tmp_path))
    v.page.get_by_text("Trying again in 1 s").first.wait_for()
    assert v.headlines() == ["Chelsea boots"]


@browser_test
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible(visit, tmp_path, scheme, elsewhere):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    v = visit(color_scheme=scheme)
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    v.choose(picture(tmp_path, BETWEEN_BOOTS), tmp_path / "a.pdf")
    v.answered()
    v.page.locator("#uggs summary").click()
    for path in (None, "/shoes/404.html"):
        if path:
            v.page.goto(elsewhere + path)
        found = axe.run(v.page).response["violations"]
        assert not found, [(f["id"], [n["html"][:200] for n in f["nodes"]]) for f in found]


@browser_test
@pytest.mark.parametrize("width", [320, 360])
def test_phone_needs_no_sideways_scrolling(visit, tmp_path, width):
    v = visit(**{**PHONE, "viewport": {"width": width, "height": 640}})
    assert v.page.get_by_text("Take a photo", exact=True).is_visible()
    wide = tmp_path / "wide.png"
    wide.write_bytes(encoded(Image.new("RGB", (300, 30), CHELSEA), "PNG"))
    v.choose(wide, picture(tmp_path, BETWEEN_BOOTS))
    v.answered()
    v.page.locator("#mary-jane-platforms summary").click()
    assert not v.too_wide()


@browser_test
def test_without_javascript_the_guide_works_and_the_installation_is_linked(visit, live_server):
    v = visit(java_script_enabled=False)
    link = v.page.get_by_text("recognises photos without it").locator("a")
    assert link.get_attribute("href") == f"{live_server.url}/"
    assert not v.page.locator("#gallery").is_visible()
    v.page.locator("#uggs summary").click()
    assert v.page.locator("#uggs .pros").is_visible()
