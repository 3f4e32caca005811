"""What is found is near by meaning or by rare words, and what is gone from the index is not found."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gateway.agent.knowledge import search as module
from gateway.agent.knowledge.pieces import Piece
from gateway.agent.knowledge.search import Search
from gateway.agent.knowledge.store import Store, packed, remove
from gateway.agent.parts import Passage
from tests.gateway.agent.knowledge.made import WordEncoder

WORDS = WordEncoder()
Ask = Callable[..., list[Passage]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.sqlite"


def fill(store: Store, texts: Sequence[str], *, first: int = 0, with_vectors: bool = True) -> None:
    for at, text in enumerate(texts, first):
        store.put("/d", f"{at}.md", 1, at, str(at), [Piece("", text)])
    if with_vectors:
        store.set("encoder", WORDS.name)
        for number, text in store.pieces(store.pending()):
            store.put_vectors({number: packed(WORDS.encode([text]))[0].tobytes()})


def ask(search: Search, question: str, limit: int = 3) -> list[Passage]:
    return search.find(question, WORDS.name, WORDS.encode, limit)


def names(search: Search, question: str) -> list[str]:
    return [passage.document for passage in ask(search, question)]


def test_the_nearest_comes_first_with_the_cosine_of_its_nearest_sentence(file: Path) -> None:
    fill(Store(file), ["keel lead", "The mast stands. wood wood wood.", "sail cloth"])

    best, *_ = ask(Search(file), "does the mast stand")

    assert "1.md" == best.document
    sentence = WORDS.encode(["The mast stands."])[0]
    assert float(sentence @ WORDS.encode(["does the mast stand"])[0]) == pytest.approx(best.nearness, abs=1e-6)


def test_sentences_are_told_of_as_many_passages_as_are_compared_by_them(file: Path) -> None:
    """The others are compared as a whole, which is quicker."""
    fill(Store(file), ["The mast stands. wood wood.", "mast wood. Another mast lies.", "mast"])
    search, question = Search(file), "does the mast stand"

    few = search.find(question, WORDS.name, WORDS.encode, 3)
    all_ = search.find(question, WORDS.name, WORDS.encode, 3, 3)

    assert [True, False, False] == [bool(passage.sentences) for passage in few]
    assert "The mast stands." in [passage.sentences[0][1] for passage in all_]
    assert all(passage.nearness == passage.sentences[0][0] for passage in all_)
    assert all(text in passage.text for passage in all_ for _, text in passage.sentences)
    assert [passage.text for passage in few] == [passage.text for passage in all_]


def test_words_are_found_before_vectors_are_there_and_nearness_is_known(file: Path) -> None:
    fill(Store(file), ["keel lead", "mast wood"], with_vectors=False)

    best, *_ = ask(Search(file), "mast wood")

    assert ("1.md", pytest.approx(1.0, abs=1e-5)) == (best.document, best.nearness)


def test_the_index_is_read_as_it_is_now(file: Path) -> None:
    store, search = Store(file), Search(file)
    assert [] == names(search, "mast")
    fill(store, ["mast wood"])
    assert ["0.md"] == names(search, "mast")
    fill(store, ["mast steel mast"], first=1)
    assert {"0.md", "1.md"} == set(names(search, "mast"))

    store.forget([store.known()[("/d", "0.md")].id])

    assert ["1.md"] == names(search, "mast wood")


def test_an_index_that_is_made_anew_is_opened_anew(file: Path) -> None:
    first, search = Store(file), Search(file)
    fill(first, ["mast wood"])
    assert ["0.md"] == names(search, "mast")
    first.close()
    remove(file)
    assert [] == names(search, "mast")

    fill(Store(file), ["keel", "mast of another boat"])

    assert ["1.md"] == names(search, "mast")[:1]


def test_vectors_of_another_encoder_count_for_nothing(file: Path) -> None:
    fill(Store(file), ["keel lead", "mast wood"])
    other = WordEncoder("other")

    found = Search(file).find("keel and more", other.name, other.encode, 3)

    assert ["0.md"] == [passage.document for passage in found]  # by its word, and compared by the encoder in use
    assert float(other.encode(["keel lead"])[0] @ other.encode(["keel and more"])[0]) == pytest.approx(
        found[0].nearness, abs=1e-6
    )


def test_words_of_too_many_pieces_are_left_out(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMON", 2)
    fill(Store(file), ["boat keel", "boat mast", "boat sail"], with_vectors=False)
    search = Search(file)

    assert [] == ask(search, "boat")
    assert ["1.md"] == names(search, "boat mast")


@pytest.mark.parametrize("question", ["", '"', "a OR b NEAR(c", "x" * 100_000, "*", "mast\0", "- : ^ ( )", "\ud800"])
def test_no_question_is_a_query_of_its_own(question: str, file: Path) -> None:
    fill(Store(file), ["mast wood"])

    ask(Search(file), question)


def test_replaced_vectors_leave_memory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 4)
    store, search = Store(file), Search(file)
    for version in range(12):
        fill(store, [f"mast wood {version} {n}" for n in range(4)])
        ask(search, "mast")

    assert 16 >= sum(len(ids) for ids, _, _ in search._blocks)
    assert 4 == store.counts().vectors


def test_int8_finds_nearly_what_float32_finds(file: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((3000, 384)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    store = Store(file)
    store.put("/d", "a.md", 1, 1, "x", [Piece("", f"x{n}") for n in range(len(rows))])
    store.set("encoder", "e")
    ids = store.pending()
    store.put_vectors({n: row.tobytes() for n, row in zip(ids, packed(rows), strict=True)})
    search = Search(file)
    shares = []

    for _ in range(20):
        vector = rng.standard_normal(384).astype(np.float32)
        vector /= np.linalg.norm(vector)

        def encode(texts: Sequence[str], vector: npt.NDArray[np.float32] = vector) -> npt.NDArray[np.float32]:
            return np.repeat(vector[None], len(texts), 0)

        search.find("q", "e", encode, 1)
        exact = {ids[at] for at in np.argsort(-(rows @ vector))[:10]}
        shares.append(len(exact & set(search._by_meaning(vector)[:10])) / 10)

    assert np.mean(shares) > 0.95
