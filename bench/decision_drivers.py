"""Drive the queue by keyboard, and the admin's change list by mouse, for `bench.decisions`.

Both drivers read only what their page shows. Times are taken inside the page, so that the driving
of the browser does not count: from a key or a click until the page accepts the next one.
"""

import itertools
import re
import time
from collections import defaultdict
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.urls import reverse

from curation.issues.reasons import BY_SLUG

UNUSABLE = {BY_SLUG[slug].words for slug in ("not-a-shoe", "almost-empty", "odd-shape")}
OTHER_LABEL_EVERY, UNDO_EVERY, RANGE_FROM, RANGE_MOST = 15, 40, 3, 12
TYPED = 4  # letters of another label's name
PER_PAGE = 50  # rows of the change list

# Notes when a key went down, and when each decision was answered by the server.
NOTE_TIMES = """
addEventListener("keydown", () => (window.pressedAt = performance.now()), true);
window.answers = [];
const plain = window.fetch;
window.fetch = async (address, options) => {
  const answer = await plain(address, options);
  if (String(address).includes("/decide/")) {
    const ids = JSON.parse(options.body).images.map((image) => image.id);
    answers.push({ ids, at: performance.now(), status: answer.status });
  }
  return answer;
};
"""
# Waits, frame by frame, until the page is ready; returns the seconds since the last key.
READY = """
(what) => new Promise((done) => {
  const open = (selector) => document.querySelector(selector)?.open;
  const ready = {
    card() {
      const card = document.activeElement.closest(".card");
      const taken = card && ["pending", "done", "unsent"].includes(card.dataset.verdict);
      const end = !document.getElementById("nothing").hidden;
      return !document.querySelector("dialog[open]") && ((card && !taken) || end);
    },
    labels: () => open("#relabel") && document.querySelector("#label-list li"),
    copies: () => open("#compare") ? document.querySelector("#compare table") : ready.card(),
    undone: () => /ndone/.test(document.getElementById("say").textContent) && ready.card(),
  };
  const look = () => {
    if (ready[what]()) done({ took: (performance.now() - pressedAt) / 1000, at: pressedAt });
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})
"""
# Reads the card in focus and those after it.
READ_CARDS = """
() => {
  const all = [...document.querySelectorAll("#grid .card")];
  const at = all.indexOf(document.activeElement.closest(".card"));
  const read = (card) => {
    const other = card.querySelector(".suggested.other")?.cloneNode(true);
    other?.querySelectorAll("span").forEach((part) => part.remove());
    const why = [...card.querySelectorAll(".why")];
    return {
      id: Number(card.dataset.id),
      given: card.querySelector(".given").textContent,
      suggested: other?.textContent.trim() ?? "",
      reasons: why.map((line) => line.textContent),
      copies: why.map((line) => line.classList.contains("copy")),
      open: !["pending", "done", "unsent"].includes(card.dataset.verdict),
    };
  };
  return at < 0 ? [] : all.slice(at).map(read);
}
"""
READ_COPIES = """
() => [...document.querySelectorAll("#compare td img")].map((img) => ({
  id: Number(img.src.match(/([0-9]+)[/]picture/)[1]),
  stays: img.parentElement.classList.contains("proposed"),
}))
"""


Decision = tuple[int, str, int | None]  # image, action, primary key of the label it gives


@dataclass
class Step:
    """One step of the driver, which decides on one or several images at once."""

    kind: str
    images: list[int]
    inputs: int  # keys or clicks
    seconds: float  # until the page accepted the next input
    at: float = 0  # the page's clock when the last key went down, in milliseconds
    new_page: bool = False


@dataclass
class Record:
    """All steps, and what the database should hold of each image: (state, label or None)."""

    steps: list[Step] = field(default_factory=list)
    expected: dict[int, tuple] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """Number of images decided on."""
        return sum(len(step.images) for step in self.steps)


class QueueDriver:
    """Decides by keyboard on the images that the queue shows first, `pause` seconds for each."""

    def __init__(self, page, pause: float):
        self.page, self.pause, self.record = page, pause, Record()
        self.inputs, self.seconds, self.at = 0, 0.0, 0.0

    def decide(self, images: int) -> Record:
        """Decide on so many images, or on all there are."""
        labelled = 0
        while self.record.images < images and (cards := self.page.evaluate(READ_CARDS)):
            card, self.inputs, self.seconds = cards[0], 0, 0.0
            kind = _kind(card)
            labelled += kind == "accept"
            if kind == "accept" and labelled % OTHER_LABEL_EVERY == 0:
                kind = "relabel"
            before = {each["id"] for each in cards}
            decided = getattr(self, f"_{kind}")(card, cards)
            step = Step(kind, decided, self.inputs, self.seconds, self.at)
            step.new_page = not before & {each["id"] for each in self.page.evaluate(READ_CARDS)}
            self.record.steps.append(step)
            time.sleep(self.pause)
            if len(self.record.steps) % UNDO_EVERY == 0:
                self._undo()
        return self.record

    def _press(self, key: str, until: str = "card") -> None:
        self.page.keyboard.press(key)
        ready = self.page.evaluate(READY, until)
        self.inputs, self.at = self.inputs + 1, ready["at"]
        self.seconds += ready["took"]

    def _expect(self, images, state, label=None) -> list[int]:
        self.record.expected.update(dict.fromkeys(images, (state, label)))
        return list(images)

    def _accept(self, card, cards):
        alike = list(itertools.takewhile(lambda other: _like(card, other), cards))[:RANGE_MOST]
        if len(alike) < RANGE_FROM:
            alike = [card]
        for _ in alike[1:]:
            self._press("Shift+ArrowRight")
        self._press("Enter")
        return self._expect([each["id"] for each in alike], "confirmed", _name(card["suggested"]))

    def _relabel(self, card, cards):
        self._press("/", "labels")
        names = self.page.locator("#label-list li span:first-child").all_inner_texts()
        name = next(n for n in names if n not in (card["given"], _name(card["suggested"])))
        for letter in name[:TYPED].lower():
            self._press(letter, "labels")
        taken = self.page.locator('#label-list [aria-selected="true"] span').first.inner_text()
        self._press("Enter")
        return self._expect([card["id"]], "confirmed", taken)

    def _keep(self, card, cards):
        self._press("k")
        return self._expect([card["id"]], "confirmed", card["given"])

    def _reject(self, card, cards):
        self._press("Delete")
        return self._expect([card["id"]], "rejected")

    def _copies(self, card, cards):
        self._press("Enter" if card["copies"][0] else "p", "copies")
        copies = self.page.evaluate(READ_COPIES)
        if not self.page.locator("#compare[open]").count():  # the copy was decided on meanwhile
            return self._keep(card, cards)
        self._press("Enter")
        return self._expect([each["id"] for each in copies if not each["stays"]], "rejected")

    def _undo(self) -> None:
        """Undo the last step; its images come first again and are decided on anew."""
        self.inputs, self.seconds = 0, 0.0
        self._press("z", "undone")
        last = self.record.steps.pop()
        for image in last.images:
            self.record.expected.pop(image, None)
        self.record.steps.append(Step("undo", [], last.inputs + 1, last.seconds + self.seconds))


def _kind(card: dict) -> str:
    if any(card["copies"]):
        return "copies"
    if UNUSABLE & set(card["reasons"]):
        return "reject"
    doubted = BY_SLUG["label-issue"].words in card["reasons"]
    return "accept" if card["suggested"] and doubted else "keep"


def _like(card: dict, other: dict) -> bool:
    return (
        other["open"]
        and _kind(other) == "accept"
        and _name(other["suggested"]) == _name(card["suggested"])
    )


def _name(text: str) -> str:
    """Return a suggestion without its probability."""
    return re.sub(r"\s*(over )?\d+\s%$", "", text)


class ChangeListDriver:
    """Makes the same decisions on the admin's change list: tick, choose an action, Go.

    This favours the list: its pages hold just the images in question, in order, and what is wrong
    with each is known already.
    """

    def __init__(self, page, address: str):
        self.page, self.list = page, address + reverse("admin:curation_shoeimage_changelist")

    def decide(self, decisions: list[Decision], together: bool) -> Record:
        """Make these decisions page by page.

        `together`: equal ones of a page in one step, however far apart they are; else one by one.
        """
        record = Record()
        for at in range(0, len(decisions), PER_PAGE):
            page = decisions[at : at + PER_PAGE]
            query = urlencode({"id__in": ",".join(str(image) for image, _, _ in page)})
            self.page.goto(f"{self.list}?{query}", wait_until="domcontentloaded")
            opening = self._load_seconds()
            groups = defaultdict(list)
            for image, *decision in page:
                groups[(*decision, None if together else image)].append(image)
            for (action, label, _), images in groups.items():
                inputs = self._submit(action, label, images)
                record.steps.append(Step(action, images, inputs, self._load_seconds() + opening))
                opening = 0.0
        return record

    def _submit(self, action, label, images) -> int:
        """Apply an action to images; returns the number of clicks."""
        for image in images:
            self.page.locator(f'input.action-select[value="{image}"]').check()
        self.page.locator("select[name=action]").select_option(f"{action}_images")
        if label:
            self.page.locator("select[name=label]").select_option(str(label))
        with self.page.expect_navigation(wait_until="domcontentloaded"):
            self.page.locator(".actions button[name=index]").click()
        # A drop-down takes two: open it, choose.
        return len(images) + 2 + (2 if label else 0) + 1

    def _load_seconds(self) -> float:
        entry = "performance.getEntriesByType('navigation')[0]"
        return self.page.evaluate(f"{entry}.domInteractive") / 1000
