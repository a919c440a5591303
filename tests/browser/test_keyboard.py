"""The whole way through the site without a mouse: Tab, Enter, Space and arrows, in a real browser.

At every stop the focus has to be seen: marked, and inside the window.
"""

import pytest

from classifier.models import Feedback
from curation.models import ShoeImage
from tests.browsing import BETWEEN_BOOTS, picture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Where the focus is. A control that lies unseen over its label is marked on the label.
STOP = """() => {
  const focused = document.activeElement;
  const unseen = getComputedStyle(focused).opacity === "0";
  const shown = unseen ? focused.nextElementSibling : focused;
  const style = getComputedStyle(shown);
  const box = shown.getBoundingClientRect();
  const outline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  return {
    html: focused.outerHTML.slice(0, 120),
    marked: outline,
    inside: box.width > 0 && box.left >= 0 && box.right <= innerWidth
      && box.bottom > 0 && box.top < innerHeight,
    number: [...document.querySelectorAll("*")].indexOf(focused),
  };
}"""
# Everything that Tab has to reach: of a group of radio buttons that is one.
REACHABLE = """() => {
  const all = [...document.querySelectorAll("*")];
  const groups = new Set();
  const tabbable = (element) => {
    if (!element.checkVisibility() || element.disabled || element.tabIndex < 0) return false;
    if (element.type !== "radio") return true;
    if (groups.has(element.name)) return false;
    return groups.add(element.name);
  };
  return all.filter(tabbable).map((element) => all.indexOf(element));
}"""
MOST_STOPS = 120


class Keyboard:
    """A visitor who has one, and sees where the focus is."""

    def __init__(self, site):
        self.page, self.address = site.page, site.address

    def press(self, key="Tab"):
        """Press it; a key that moves the focus has to leave it where it is seen."""
        self.page.keyboard.press(key)
        # Between a page's last stop and its first lies the browser itself.
        if "Tab" in key and not self.focused("body"):
            stop = self.page.evaluate(STOP)
            assert stop["marked"] and stop["inside"], stop

    def to(self, selector, key="Tab"):
        """Go on to the next stop that the selector names."""
        for _ in range(MOST_STOPS):
            self.press(key)
            if self.focused(selector):
                return
        raise AssertionError(f"{key} does not lead to {selector}")

    def focused(self, selector) -> bool:
        return self.page.evaluate("(is) => document.activeElement.matches(is)", selector)

    def follow(self, selector, address):
        """Press Enter on the next link that the selector names, and arrive."""
        self.to(selector)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(self.address + address)

    def announced(self, words):
        """Wait until a screen reader is told so."""
        self.page.locator("[data-status]", has_text=words).wait_for(state="attached")

    def stops(self) -> list[int]:
        """Where Tab leads until it is back, from the top of the page."""
        found = []
        for _ in range(MOST_STOPS):
            self.press()
            number = self.page.evaluate(STOP)["number"]
            if found and number == found[0]:
                top = found.index(min(found))
                return found[top:] + found[:top]
            if not self.focused("body"):
                found.append(number)
        raise AssertionError("Tab does not lead around the page")


@pytest.mark.parametrize("width", [1280, 320])
def test_the_whole_way_without_a_mouse(visit, version, tmp_path, width):
    site = visit(
        viewport={"width": width, "height": 700}, permissions=["clipboard-read", "clipboard-write"]
    )
    page, keys = site.page, Keyboard(site)
    # Listened for from the start, see `test_keyboard_opens_the_chooser`.
    page.on("filechooser", lambda chooser: chooser.set_files(picture(tmp_path, BETWEEN_BOOTS)))
    site.open()

    keys.press()
    assert keys.focused(".skip")
    keys.press("Enter")
    assert keys.focused("main"), "what the skip link skips is the head of the page"
    keys.press()
    assert keys.focused("#gallery")
    keys.press("Enter")
    keys.announced("Boots, probably Army boots or Chelsea boots")
    assert keys.focused("#gallery"), "nobody is taken away from where they were"

    keys.to(".why summary")
    keys.press("Enter")
    keys.announced("Explained. What speaks for Army boots lies")
    assert keys.focused(".why summary")
    assert keys.stops() == page.evaluate(REACHABLE), "each once, in the order of the page"

    keys.to("[name=right]")
    keys.press("Space")
    keys.press("ArrowRight")
    assert page.locator("[name=right]:checked").get_attribute("value") == "no"
    keys.to("[data-part=type]")
    page.keyboard.type("Loafers")
    keys.to("[name=consent]")
    keys.press("Space")
    keys.to("[data-part=send]")
    keys.press("Enter")
    page.locator(".thanks").wait_for()
    assert keys.focused(".thanks") and page.evaluate(STOP)["marked"]
    feedback, image = Feedback.objects.get(), ShoeImage.objects.get()
    assert (feedback.right, feedback.shoe_type.slug, image.proposed.slug) == (
        False,
        "loafers",
        "loafers",
    )
    keys.to("[data-part=copy-code]")
    keys.to("[data-part=copy-link]")
    keys.press("Enter")
    keys.announced("Link copied.")
    shared = page.evaluate("navigator.clipboard.readText()")

    keys.to(".top li:first-child .name", "Shift+Tab")
    keys.press("Enter")
    page.wait_for_url("**/guide/army-boots/")
    keys.follow(".crumbs a", "/guide/")
    keys.to("#q")
    page.keyboard.type("chel")
    page.get_by_text("1 of 36 types").wait_for()
    keys.to(".entry summary")
    keys.press("Enter")
    keys.follow(".entry-link a", "/guide/chelsea-boots/")
    keys.follow(".crumbs a", "/guide/")
    keys.follow(".brand", "/")

    page.goto(shared)
    assert "Army boots" in page.locator(".answer h2").inner_text()
    assert keys.stops() == page.evaluate(REACHABLE)
    keys.follow(".knows a", "/")
