"""Hands of `bench.decisions`: a person at the queue's keyboard, and one at the admin's own list.

Both see only what their page shows. Times are taken inside the page, so that what drives the
browser does not count: from a key or a click until the page would take the next one.
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
PER_PAGE = 50  # rows of the admin's list

# Notes when a key went down and when which decision had its answer.
WATCH = """
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
# Waits, frame by frame, until the page is ready; says for how long that was since the last key.
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
# The card in focus and those behind it, as they read.
SEEN = """
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
COPIES = """
() => [...document.querySelectorAll("#compare td img")].map((img) => ({
  id: Number(img.src.match(/([0-9]+)[/]picture/)[1]),
  stays: img.parentElement.classList.contains("proposed"),
}))
"""


Decision = tuple[int, str, int | None]  # image, action, primary key of the label it gives


@dataclass
class Act:
    """One act of a person: its kind, the images it decided on, inputs, seconds the page took, the
    page's clock when its last key went down, and whether a new page came."""

    kind: str
    images: list[int]
    inputs: int
    seconds: float
    at: float = 0
    turned: bool = False


@dataclass
class Ledger:
    """What was done, and what the database should say of each image: (state, label or None)."""

    acts: list[Act] = field(default_factory=list)
    expected: dict[int, tuple] = field(default_factory=dict)
    undone: int = 0

    @property
    def images(self) -> int:
        """How many images were decided on."""
        return sum(len(act.images) for act in self.acts)


class Queue:
    """A person who decides by keyboard on what the queue shows first."""

    def __init__(self, page, pause: float):
        self.page, self.pause, self.ledger = page, pause, Ledger()
        self.inputs, self.seconds, self.at = 0, 0.0, 0.0

    def decide(self, images: int) -> Ledger:
        """Go on until so many images are decided on, or nothing is left."""
        labelled = 0
        while self.ledger.images < images and (seen := self.page.evaluate(SEEN)):
            card, self.inputs, self.seconds = seen[0], 0, 0.0
            kind = _kind(card)
            labelled += kind == "accept"
            if kind == "accept" and labelled % OTHER_LABEL_EVERY == 0:
                kind = "relabel"
            before = {each["id"] for each in seen}
            act = Act(kind, *getattr(self, f"_{kind}")(card, seen), self.inputs, self.seconds)
            act.at, act.turned = self.at, not before & self._shown()
            self.ledger.acts.append(act)
            time.sleep(self.pause)  # a person looks at the next picture
            if len(self.ledger.acts) % UNDO_EVERY == 0:
                self._undo()
        return self.ledger

    def _press(self, key: str, until: str = "card") -> None:
        self.page.keyboard.press(key)
        ready = self.page.evaluate(READY, until)
        self.inputs, self.at = self.inputs + 1, ready["at"]
        self.seconds += ready["took"]

    def _shown(self) -> set[int]:
        return {each["id"] for each in self.page.evaluate(SEEN)}

    def _expect(self, images, state, label=None) -> tuple[list[int]]:
        self.ledger.expected.update(dict.fromkeys(images, (state, label)))
        return (list(images),)

    def _accept(self, card, seen):
        alike = list(itertools.takewhile(lambda other: _like(card, other), seen))[:RANGE_MOST]
        if len(alike) < RANGE_FROM:
            alike = [card]
        for _ in alike[1:]:
            self._press("Shift+ArrowRight")
        self._press("Enter")
        return self._expect([each["id"] for each in alike], "confirmed", _name(card["suggested"]))

    def _relabel(self, card, seen):
        self._press("/", "labels")
        names = self.page.locator("#label-list li span:first-child").all_inner_texts()
        name = next(n for n in names if n not in (card["given"], _name(card["suggested"])))
        for letter in name[:TYPED].lower():
            self._press(letter, "labels")
        taken = self.page.locator('#label-list [aria-selected="true"] span').first.inner_text()
        self._press("Enter")
        return self._expect([card["id"]], "confirmed", taken)

    def _keep(self, card, seen):
        self._press("k")
        return self._expect([card["id"]], "confirmed", card["given"])

    def _reject(self, card, seen):
        self._press("Delete")
        return self._expect([card["id"]], "rejected")

    def _copies(self, card, seen):
        self._press("Enter" if card["copies"][0] else "p", "copies")
        found = self.page.evaluate(COPIES)
        if not self.page.locator("#compare[open]").count():  # settled meanwhile
            return self._keep(card, seen)
        self._press("Enter")
        going = [each["id"] for each in found if not each["stays"]]
        return self._expect(going, "rejected")

    def _undo(self) -> None:
        """A second thought: take the last act back; what comes to the front is decided on anew."""
        self.inputs, self.seconds = 0, 0.0
        self._press("z", "undone")
        last = self.ledger.acts.pop()
        self.ledger.undone += 1
        for image in last.images:
            self.ledger.expected.pop(image, None)
        self.ledger.acts.append(Act("undo", [], last.inputs + 1, last.seconds + self.seconds))


def _kind(card: dict) -> str:
    if any(card["copies"]):
        return "copies"
    if UNUSABLE & set(card["reasons"]):
        return "reject"
    return "accept" if card["suggested"] and _doubted(card) else "keep"


def _doubted(card: dict) -> bool:
    return BY_SLUG["label-issue"].words in card["reasons"]


def _like(card: dict, other: dict) -> bool:
    return (
        other["open"]
        and _kind(other) == "accept"
        and _name(other["suggested"]) == _name(card["suggested"])
    )


class Changelist:
    """A person who does the same on the admin's list: tick, choose an action, Go.

    Friendly to the list: just the images in question are on its pages, in order, and the person
    knows already what is wrong with each.
    """

    def __init__(self, page, address: str):
        self.page, self.list = page, address + reverse("admin:curation_shoeimage_changelist")

    def decide(self, decisions: list[Decision], together: bool) -> Ledger:
        """Make these decisions, page by page; `together`: those of a page that are the same in one
        go, however far apart they are. Else one after the other."""
        ledger = Ledger()
        for at in range(0, len(decisions), PER_PAGE):
            page = decisions[at : at + PER_PAGE]
            query = urlencode({"id__in": ",".join(str(image) for image, _, _ in page)})
            self.page.goto(f"{self.list}?{query}", wait_until="domcontentloaded")
            opened = self._took()
            groups = defaultdict(list)
            for image, *what in page:
                groups[(*what, None if together else image)].append(image)
            for (action, label, _), images in groups.items():
                act = Act(action, images, *self._go(action, label, images))
                act.seconds, opened = act.seconds + opened, 0.0
                ledger.acts.append(act)
        return ledger

    def _go(self, action, label, images) -> tuple[int, float]:
        for image in images:
            self.page.locator(f'input.action-select[value="{image}"]').check()
        self.page.locator("select[name=action]").select_option(f"{action}_images")
        if label:
            self.page.locator("select[name=label]").select_option(str(label))
        with self.page.expect_navigation(wait_until="domcontentloaded"):
            self.page.locator(".actions button[name=index]").click()
        # A drop-down takes two: open it, choose.
        return len(images) + 2 + (2 if label else 0) + 1, self._took()

    def _took(self) -> float:
        entry = "performance.getEntriesByType('navigation')[0]"
        return self.page.evaluate(f"{entry}.domInteractive") / 1000


def _name(text: str) -> str:
    """A suggestion without its probability."""
    return re.sub(r"\s*(over )?\d+\s%$", "", text)
