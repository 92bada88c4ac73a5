"""The server's page in Chromium, with a tiny student and its teacher behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.looking import PHONE, WIDE, border_contrast, outlined, sideways, violations
from tests.unit.serving.server import NAME, Served, serving
from tmkd.reranker import Reranker

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visit = Callable[..., "Page"]
QUESTION = "what is amber"
PASSAGES = ["cobalt is blue", "amber is a resin", "a dune is sand " * 30, "fjord"]
HOSTILE = "<script>alert(1)</script> <b>bold</b> 🙂 \0 שלום & so on"


def reranker(store: Path, stage: str) -> Reranker:
    folder = sorted((store / "artifacts").glob(f"{stage}-*"))[0]
    return Reranker.from_pretrained(folder, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def student(small_store: Path) -> Reranker:
    return reranker(small_store, "stage2")


@pytest.fixture(scope="module")
def served(student: Reranker, small_store: Path) -> Iterator[Served]:
    with serving(student, beside=reranker(small_store, "teacher"), characters=20_000) as server:
        yield server


def fill(page: Page, question: str = QUESTION, passages: list[str] = PASSAGES) -> None:
    page.get_by_label("Question").fill(question)
    page.get_by_label("Passages").fill("\n".join(passages))


def rank(page: Page, *texts: object) -> None:
    fill(page, *texts)  # type: ignore[arg-type]
    page.get_by_role("button", name="Rank").click()
    page.get_by_role("status").get_by_text("ranked, the best first").wait_for()


def test_columns_show_what_the_server_answers_of_student_and_teacher(served: Served, visit: Visit) -> None:
    page = visit(served.url)
    rank(page)
    columns = page.get_by_role("region")
    assert page.get_by_role("heading", level=2).all_inner_texts() == [NAME, "teacher"]
    for place, path in enumerate(("/rerank", "/beside")):
        answer = served.post(path, {"query": QUESTION, "texts": PASSAGES})
        answered, cut = answer.json(), int(answer.headers["x-cut-pairs"])
        column = columns.nth(place)
        assert column.locator(".text").all_text_contents() == [PASSAGES[each["index"]] for each in answered]
        assert column.locator(".rank").all_text_contents() == ["1", "2", "3", "4"]
        shown = [f"{100 * each['score']:.1f}\xa0%" for each in answered]
        assert column.locator(".score").all_text_contents() == shown
        bars = column.locator(".fill").evaluate_all(
            "all => all.map(bar => bar.getBoundingClientRect().width / bar.parentNode.getBoundingClientRect().width)"
        )
        assert bars == pytest.approx([each["score"] for each in answered], abs=0.005)
        took = rf"\d+ ms · {cut} cut to the length that the model reads"
        assert cut and re.fullmatch(took, column.locator(".took").inner_text())


@pytest.mark.parametrize("keys", ["Control+Enter", "Meta+Enter"])
@pytest.mark.parametrize("field", ["Question", "Passages"])
def test_keys_rank_once(served: Served, visit: Visit, field: str, keys: str) -> None:
    page = visit(served.url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    fill(page)
    page.get_by_label(field).press(keys)
    page.get_by_text("4 passages ranked").wait_for()
    assert asked.count("rerank") == asked.count("beside") == 1


def test_keyboard_alone_goes_through_the_page_in_order_and_keeps_its_place(served: Served, visit: Visit) -> None:
    page = visit(served.url)
    for label, text in (("Question", QUESTION), ("Passages", "amber\ncobalt")):
        page.keyboard.press("Tab")
        assert page.get_by_label(label).evaluate("field => field === document.activeElement") and outlined(page)
        page.keyboard.insert_text(text)
    page.keyboard.press("Tab")
    assert outlined(page)
    page.keyboard.press("Space")
    page.get_by_text("2 passages ranked").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Rank"  # a disabled button would lose the focus


@pytest.mark.parametrize(
    ("question", "passages", "sentence", "field"),
    [
        (" ", PASSAGES, "Type a question first.", "Question"),
        (QUESTION, [" ", ""], "Type at least one passage to rank.", "Passages"),
    ],
)
def test_empty_field_is_named_and_has_the_focus(
    served: Served, visit: Visit, question: str, passages: list[str], sentence: str, field: str
) -> None:
    page = visit(served.url)
    rank(page)
    fill(page, question, passages)
    page.get_by_role("button").click()
    assert page.get_by_role("status").inner_text() == sentence
    assert page.get_by_label(field).get_attribute("aria-invalid") == "true"
    assert page.get_by_label(field).evaluate("field => field === document.activeElement")
    assert page.get_by_role("region").count() == 0  # or the results of other texts would stand under the error
    rank(page)
    assert page.get_by_label(field).get_attribute("aria-invalid") is None


def test_refusal_of_the_server_is_one_sentence(served: Served, visit: Visit) -> None:
    page = visit(served.url, refused=True)
    fill(page, QUESTION, ["amber " * 4000])
    page.get_by_role("button").click()
    page.get_by_text("characters are more than the 20000 of one request").wait_for()
    text = page.get_by_role("status").inner_text()
    assert text.count(". ") == 0 and text.endswith(".")
    assert violations(page) == []


def test_server_that_has_stopped_is_one_sentence(student: Reranker, visit: Visit) -> None:
    with serving(student) as server:
        page = visit(server.url, refused=True)
        page.get_by_role("heading", name=NAME).wait_for()
    fill(page)
    page.get_by_role("button").click()
    page.get_by_text("The server does not answer; it may have stopped.").wait_for()


def test_key_is_asked_for_and_a_wrong_one_is_named(student: Reranker, visit: Visit) -> None:
    with serving(student, key="secret") as server:
        page = visit(server.url, refused=True)
        page.get_by_text("This server asks for a key.").wait_for()
        field = page.get_by_label("Key of this server")
        field.fill("wrong")
        fill(page)
        page.get_by_role("button").click()
        page.get_by_text("That is not the key of this server.").wait_for()
        assert field.evaluate("field => field === document.activeElement")
        field.fill("secret")
        rank(page)
        assert page.get_by_role("region").count() == 1  # no teacher here
        fill(page, " ")
        page.get_by_role("button").click()  # an error of another field leaves the key alone
        assert field.get_attribute("aria-invalid") is None


def test_texts_that_look_like_code_stay_texts(served: Served, visit: Visit) -> None:
    page = visit(served.url)
    rank(page, HOSTILE, [HOSTILE, "amber"])
    texts = page.get_by_role("region").first.locator(".text").all_text_contents()
    assert HOSTILE.replace("\0", "\ufffd") in texts
    assert page.locator("script").count() == 1 and page.locator("b").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_page_is_readable_and_never_scrolls_sideways(
    served: Served, visit: Visit, size: tuple[int, int], scheme: str
) -> None:
    page = visit(served.url, size, scheme)
    assert violations(page) == []
    assert all(border_contrast(page.get_by_label(label)) >= 3 for label in ("Question", "Passages"))
    rank(page, QUESTION, [*PASSAGES, "x" * 500])
    assert violations(page) == []
    assert sideways(page) <= 0
    lightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    assert (int(lightness) < 60) == (scheme == "dark")
