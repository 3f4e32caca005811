"""Relevance off the event loop: remembered, never read twice at once, and its failure stops nobody."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from gateway.topics.reader import READ_AT_ONCE, RelevanceReader
from profiler.encoder import Encoder, EncoderError
from profiler.ladder import FAST_FOLDER, Ladder
from profiler.qagate import QAGate, shipped_gate
from profiler.static import StaticEncoder

SHIPPED = QAGate.load(shipped_gate())
GATE = replace(SHIPPED, projectors=(replace(SHIPPED.projectors[0], familiar=-1.0),))  # even noise is familiar
PATIENT_S = 5.0


@dataclass
class CountingEncoder:
    """An encoder in memory: text -> a unit vector; `open` holds it up until it is set."""

    name: str = GATE.encoder
    dim: int = GATE.dim
    texts: list[str] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        self.open.wait(5)
        if self.failure:
            raise self.failure
        rows = [np.random.default_rng(sum(text.encode())).normal(size=self.dim) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)


@pytest.fixture
def encoder() -> Iterator[CountingEncoder]:
    counting = CountingEncoder()
    counting.open.set()
    yield counting
    counting.open.set()


@pytest.fixture
def worker() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def reader_of(load: Callable[[], Encoder], worker: ThreadPoolExecutor) -> RelevanceReader:
    return RelevanceReader(GATE, lambda: Ladder(GATE, load(), None), worker)


async def test_a_text_gets_a_relevance_and_a_category(encoder: CountingEncoder, worker: ThreadPoolExecutor) -> None:
    judged = await reader_of(lambda: encoder, worker).judge("what is a prime?", PATIENT_S)

    assert judged
    assert (GATE.K,) == judged.relevance.shape
    assert 1.0 == pytest.approx(float(judged.relevance.sum()))
    assert GATE.categories[int(judged.relevance.argmax())] == judged.category


async def test_a_text_is_read_once(encoder: CountingEncoder, worker: ThreadPoolExecutor) -> None:
    reader = reader_of(lambda: encoder, worker)

    first = await reader.judge("again", PATIENT_S)
    second = await reader.judge("again", PATIENT_S)

    assert first is second
    assert ["again"] == encoder.texts


async def test_a_text_on_its_way_is_not_read_twice(encoder: CountingEncoder, worker: ThreadPoolExecutor) -> None:
    encoder.open.clear()
    reader = reader_of(lambda: encoder, worker)
    asked = [asyncio.create_task(reader.judge("at once", PATIENT_S)) for _ in range(5)]
    await asyncio.sleep(0)

    encoder.open.set()
    judged = await asyncio.gather(*asked)

    assert ["at once"] == encoder.texts
    assert 1 == len({id(one) for one in judged})


async def test_who_hangs_up_does_not_take_the_others_answer(
    encoder: CountingEncoder, worker: ThreadPoolExecutor
) -> None:
    encoder.open.clear()
    reader = reader_of(lambda: encoder, worker)
    gone, there = (asyncio.create_task(reader.judge("shared", PATIENT_S)) for _ in range(2))
    await asyncio.sleep(0)

    gone.cancel()
    await asyncio.wait([gone])
    encoder.open.set()

    assert await there
    assert ["shared"] == encoder.texts


async def test_the_longest_unasked_text_is_forgotten_first(
    encoder: CountingEncoder, worker: ThreadPoolExecutor
) -> None:
    reader = RelevanceReader(GATE, lambda: Ladder(GATE, encoder, None), worker, remembered=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        await reader.judge(text, PATIENT_S)

    assert ["a", "b", "c", "b"] == encoder.texts


@pytest.mark.parametrize("text", ["", " \n\t"])
async def test_a_text_without_words_has_no_relevance(
    encoder: CountingEncoder, worker: ThreadPoolExecutor, text: str
) -> None:
    assert await reader_of(lambda: encoder, worker).judge(text) is None
    assert [] == encoder.texts


async def test_half_a_surrogate_pair_is_a_text(encoder: CountingEncoder, worker: ThreadPoolExecutor) -> None:
    """JSON can carry it; it has no bytes."""
    reader = reader_of(lambda: encoder, worker)
    encoder.encode = lambda texts: np.eye(1, GATE.dim, dtype=np.float32)  # type: ignore[method-assign]

    assert await reader.judge("\ud800", PATIENT_S)


@pytest.mark.parametrize(
    "error",
    [EncoderError("run: ppai pull encoder"), OSError("no room")],
    ids=repr,
)
async def test_an_encoder_that_cannot_be_loaded_is_a_problem_and_no_failure(
    worker: ThreadPoolExecutor, error: Exception
) -> None:
    """It is told, and not tried again with every request."""
    loads = []

    def load() -> Encoder:
        loads.append(1)
        raise error

    reader = reader_of(load, worker)

    assert [None, None] == [await reader.judge(text, PATIENT_S) for text in ("one", "two")]
    assert str(error) in (reader.problem or "")
    assert [1] == loads


async def test_a_text_that_the_encoder_fails_on_is_routed_by_load_alone(
    encoder: CountingEncoder, worker: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """And the next one by its topic again; the log tells no words of it."""
    encoder.failure = RuntimeError("the runtime says no")
    reader = reader_of(lambda: encoder, worker)

    assert None is await reader.judge("my secret", PATIENT_S)
    encoder.failure = None

    assert await reader.judge("another", PATIENT_S)
    assert await reader.judge("my secret", PATIENT_S)  # nor is the failure remembered
    assert "text_not_judged characters=9" in caplog.text
    assert "my secret" not in caplog.text


async def test_nobody_waits_long_for_it(encoder: CountingEncoder, worker: ThreadPoolExecutor) -> None:
    """The answer is remembered for the next one who asks."""
    encoder.open.clear()
    reader = reader_of(lambda: encoder, worker)

    assert None is await reader.judge("slow", 0.01)
    encoder.open.set()

    assert await reader.judge("slow", PATIENT_S)
    assert ["slow"] == encoder.texts


async def test_what_the_fast_encoder_is_sure_of_waits_for_no_worker(
    encoder: CountingEncoder, worker: ThreadPoolExecutor
) -> None:
    """But the first text, which makes the patterns; what the full encoder must read; and all where topics are told."""
    fast = StaticEncoder(shipped_gate() / FAST_FOLDER)
    sure, doubtful = "How do I write a loop in Python?", "zzgrmbl fnord"
    ladder = Ladder(SHIPPED, encoder, fast)
    assert ladder.begin(sure).reading and not ladder.begin(doubtful).reading
    reader = RelevanceReader(SHIPPED, lambda: ladder, worker)
    assert await reader.judge("Is seven a prime number?", PATIENT_S)

    held = threading.Event()
    worker.submit(held.wait, 5)
    try:
        judged = await reader.judge(sure, 0.01)
        follow_up = await reader.judge("And one in Java?", 0.01, earlier=[sure])
        assert judged and np.array_equal(judged.relevance, ladder.read(sure).relevance)
        assert follow_up
        assert None is await reader.judge(doubtful, 0.01) is await reader.judge(" ", 0.01)
        reader.attend(frozenset({("Shelf marks of the parish archive",)}))
        assert None is await reader.judge("How do I write a loop in C?", 0.01)
    finally:
        held.set()


async def test_what_the_fast_encoder_doubts_it_reads_once(
    encoder: CountingEncoder, worker: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask at once: the full encoder goes on with what it made of the text."""
    fast, read = StaticEncoder(shipped_gate() / FAST_FOLDER), list[str]()
    encode = fast.encode
    monkeypatch.setattr(fast, "encode", lambda texts: (read.extend(texts), encode(texts))[1])
    ladder, doubtful = Ladder(SHIPPED, encoder, fast), "zzgrmbl fnord"
    reader = RelevanceReader(SHIPPED, lambda: ladder, worker)
    assert await reader.judge("Is seven a prime number?", PATIENT_S)
    read.clear()
    encoder.texts.clear()

    first, *others = await asyncio.gather(*(reader.judge(doubtful, PATIENT_S) for _ in range(3)))

    assert ([doubtful], [doubtful]) == (read, encoder.texts)
    assert first and others == [first, first]
    assert np.array_equal(first.relevance, ladder.read(doubtful).relevance)


async def test_a_burst_of_new_texts_is_read_a_few_in_each_turn_of_the_event_loop(
    encoder: CountingEncoder, worker: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each of them once, however often it is asked for."""
    fast, read, by_turn = StaticEncoder(shipped_gate() / FAST_FOLDER), list[str](), list[int]()
    encode = fast.encode
    monkeypatch.setattr(fast, "encode", lambda texts: (read.extend(texts), encode(texts))[1])
    reader = RelevanceReader(SHIPPED, lambda: Ladder(SHIPPED, None, fast), worker)
    assert await reader.judge("Is seven a prime number?", PATIENT_S)
    texts = [f"How do I write {number} loops in Python?" for number in range(9)]

    asked = [asyncio.create_task(reader.judge(text, PATIENT_S)) for text in (*texts, texts[-1])]
    while not all(task.done() for task in asked):
        before = len(read)
        await asyncio.sleep(0)
        by_turn.append(len(read) - before)

    assert all(task.result() for task in asked)
    assert texts == read[1:]
    assert READ_AT_ONCE == max(by_turn)


async def test_texts_do_not_pile_up_behind_a_slow_encoder(encoder: CountingEncoder, worker: ThreadPoolExecutor) -> None:
    """What nobody waits for any more would keep a core busy for ever under load."""
    encoder.open.clear()
    reader = reader_of(lambda: encoder, worker)
    asked = [asyncio.create_task(reader.judge(f"text {n}", 0.01)) for n in range(1000)]

    assert [None] * 1000 == await asyncio.gather(*asked)
    encoder.open.set()
    assert await reader.judge("text 0", PATIENT_S)
    await asyncio.get_running_loop().run_in_executor(worker, lambda: None)  # the queue is empty

    assert len(encoder.texts) <= 100


async def test_warming_up_loads_in_the_background(encoder: CountingEncoder, worker: ThreadPoolExecutor) -> None:
    loads = []
    reader = reader_of(lambda: loads.append(1) or encoder, worker)

    for _ in range(3):
        reader.warm_up()
    await reader.judge("now", PATIENT_S)

    assert [1] == loads


CODING, LEGAL = "write a function " * 6, "which contract law applies here " * 4  # long enough to stand for themselves


async def test_a_follow_up_is_judged_by_the_turns_before_it(
    encoder: CountingEncoder, worker: ThreadPoolExecutor
) -> None:
    reader = reader_of(lambda: encoder, worker)
    alone = await reader.judge(CODING, PATIENT_S)

    followed = await reader.judge("commit it", PATIENT_S, earlier=(CODING, LEGAL))

    assert alone and followed
    assert np.abs(followed.relevance - alone.relevance).max() < 0.05
    assert alone.category == followed.category
    assert LEGAL not in encoder.texts  # the turn before it has said all


async def test_a_named_conversation_is_remembered_where_the_client_sends_no_history(
    encoder: CountingEncoder, worker: ThreadPoolExecutor
) -> None:
    reader = reader_of(lambda: encoder, worker)
    alone = await reader.judge(CODING, PATIENT_S, session="mine")

    followed = await reader.judge("commit it", PATIENT_S, session="mine")
    elsewhere = await reader.judge("commit it", PATIENT_S, session="another")
    switched = await reader.judge(LEGAL, PATIENT_S, session="mine")
    legal = await reader.judge(LEGAL, PATIENT_S)

    assert alone and followed and elsewhere and switched and legal
    assert np.abs(followed.relevance - alone.relevance).max() < 0.05
    assert np.abs(elsewhere.relevance - alone.relevance).max() > 0.2
    assert np.allclose(legal.relevance, switched.relevance)


async def test_conversations_remembered_are_bounded(encoder: CountingEncoder, worker: ThreadPoolExecutor) -> None:
    reader = RelevanceReader(GATE, lambda: Ladder(GATE, encoder, None), worker, remembered=2)
    for session in ("a", "b", "c"):
        await reader.judge(CODING, PATIENT_S, session=session)

    assert ["b", "c"] == list(reader._threads)


async def test_other_work_is_done_where_texts_are_read(encoder: CountingEncoder, worker: ThreadPoolExecutor) -> None:
    reader = reader_of(lambda: encoder, worker)

    assert GATE.encoder == await reader.in_worker(lambda ladder: ladder.best[1].name)


async def test_without_an_encoder_no_work_is_done(worker: ThreadPoolExecutor) -> None:
    def missing() -> Encoder:
        raise EncoderError("there is none")

    reader = reader_of(missing, worker)

    assert await reader.in_worker(lambda ladder: ladder.best) is None
    assert "there is none" == reader.problem


CODERS = tuple("coding" if number % 8 == 0 else name for number, name in enumerate(GATE.categories))


async def test_a_coding_agents_request_is_about_code_whatever_its_words(
    encoder: CountingEncoder, worker: ThreadPoolExecutor
) -> None:
    gate = replace(GATE, categories=CODERS, tasks=GATE.tasks if GATE.carries_means else ())
    reader = RelevanceReader(gate, lambda: Ladder(gate, encoder, None), worker)

    alone = await reader.judge(LEGAL, PATIENT_S)
    asked = await reader.judge(LEGAL, PATIENT_S, setting="You are a coding agent.", tools=("shell",))

    coding = np.array([name == "coding" for name in CODERS])
    assert alone and asked
    assert "coding" == asked.category
    assert asked.relevance[coding].sum() > 0.6 - 1e-6
    assert alone.relevance[coding].sum() < 0.6
    assert ["You are a coding agent."] != encoder.texts[1:]  # a text that is long enough needs no setting


async def test_a_short_text_takes_its_topic_from_the_system_prompt(
    encoder: CountingEncoder, worker: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a turn before it, where the gate knows the subject well."""
    law = replace(GATE, categories=("law",) * GATE.K, tasks=())
    reader = RelevanceReader(law, lambda: Ladder(law, encoder, None), worker)
    alone, subject = await reader.judge("and eggs?", PATIENT_S), await reader.judge("on law.", PATIENT_S)

    doubtful = await reader.judge("and eggs?", PATIENT_S, setting="Answer on law.")
    monkeypatch.setattr("gateway.topics.reader.SETTING_NEAREST", 0.0)
    asked = await reader.judge("and eggs?", PATIENT_S, setting="Answer on law.")
    long = await reader.judge(LEGAL, PATIENT_S, setting="Answer on law.")

    assert alone and subject and doubtful and asked and long
    assert np.allclose(alone.relevance, doubtful.relevance)
    assert np.abs(asked.relevance - subject.relevance).max() < np.abs(alone.relevance - subject.relevance).max() / 2
    assert np.allclose((await reader.judge(LEGAL, PATIENT_S) or alone).relevance, long.relevance)


async def test_a_system_prompt_on_no_subject_says_nothing(encoder: CountingEncoder, worker: ThreadPoolExecutor) -> None:
    play = replace(GATE, categories=("role play",) * GATE.K, tasks=())
    reader = RelevanceReader(play, lambda: Ladder(play, encoder, None), worker)

    alone = await reader.judge("and eggs?", PATIENT_S)
    asked = await reader.judge("and eggs?", PATIENT_S, setting="You are a helpful assistant.")

    assert alone and asked
    assert np.allclose(alone.relevance, asked.relevance)


# --- agents' topics ---


async def test_texts_are_judged_by_topics_once_these_are_compared(worker: ThreadPoolExecutor) -> None:
    """What was judged before is judged anew, and a follow-up is drawn where its conversation is."""
    topics = ("Torque of keel bolts and inspection of hulls in our yard",)
    asked = "What torque do the keel bolts get?"
    fast = StaticEncoder(shipped_gate() / FAST_FOLDER)
    reader = RelevanceReader(SHIPPED, lambda: Ladder(SHIPPED, None, fast), worker)
    assert (before := await reader.judge(asked, PATIENT_S)) and before.drawn == {}

    reader.attend(frozenset({topics}))
    while not (found := await reader.judge(asked, PATIENT_S)) or not found.drawn:
        await reader.in_worker(lambda ladder: None)

    assert found.drawn[topics].tail < 0.005
    follow_up = await reader.judge("and why?", PATIENT_S, earlier=[asked])
    assert follow_up and follow_up.drawn[topics].tail < 0.01

    assert await reader.tails(topics, [asked]) == [found.drawn[topics].tail]
    untold = await reader.tails(("Shelf marks of the parish archive",), [asked, "Where is shelf mark K 12?"])
    assert untold and untold[1] < 0.01 < untold[0]
    assert (await reader.judge(asked, PATIENT_S)).drawn == found.drawn  # type: ignore[union-attr]

    reader.attend(frozenset())
    again = await reader.judge(asked, PATIENT_S)
    assert again and again.drawn == {} and np.array_equal(again.relevance, before.relevance)
