"""Grades and signs become weak evidence of who answered, each by one rule; texts and strangers' ids become nothing."""

import json
import pickle
import tracemalloc

import msgspec
import pytest

from discovery.records import PeerId
from gateway.measuring import feedback
from gateway.measuring.feedback import (
    AGAIN_S,
    GRADE_WEIGHT,
    SIGN_WEIGHT,
    Answered,
    Feedback,
    LearningConfig,
    UnknownRequest,
)
from gateway.trust.observed import Observations
from gateway.wire.request import Request, read_request

EGG = "how long do I boil an egg?"
ALL = LearningConfig(feedback=True, signs=True)


def asked(text: str = EGG, *before: str, session: str = "", endpoint: str = "chat/completions") -> Request:
    turns = [{"role": "user", "content": turn} for turn in (*before, text)]
    body = {"model": "auto", "messages": turns} if endpoint == "chat/completions" else {"model": "auto", "input": text}
    return read_request(endpoint, json.dumps(body).encode(), session or None)


def answered(
    request_id: str, at: float, request: Request | None = None, agent: str = "small", **more: object
) -> Answered:
    of = {"peer": PeerId("ben"), "category": "food", "began": at, "ended": at + 1.0, **more}
    return Answered(request_id, request or asked(), agent=agent, **of)  # type: ignore[arg-type]


def remember(learning: Feedback, answer: Answered) -> None:
    learning.remember(answer.request_id, answer.peer, answer.agent, answer.category, answer.ended)


class Learnt:
    """A Feedback and what it observed."""

    def __init__(self, config: LearningConfig = ALL) -> None:
        self.seen: list[tuple[object, ...]] = []
        self.feedback = Feedback(config, lambda *seen: self.seen.append(seen), b"key")

    def all(self, *answers: Answered) -> "Learnt":
        for answer in answers:
            if self.feedback.reads_signs:
                self.feedback.read(answer)
            remember(self.feedback, answer)
        return self


@pytest.mark.parametrize(
    ("score", "observed"), [(1.0, (1.0, 0.5)), (-1.0, (0.0, 0.5)), (0.5, (1.0, 0.25)), (-0.2, (0.0, 0.1))]
)
def test_a_grade_counts_half_and_less_where_it_is_halfhearted(score: float, observed: tuple[float, float]) -> None:
    learnt = Learnt().all(answered("r1", 0.0))

    assert learnt.feedback.grade("r1", score, 5.0)

    ((peer, agent, category, right, weight, now),) = learnt.seen
    assert ("ben", "small", "food", *observed, 5.0) == (peer, agent, category, right, weight, now)
    assert GRADE_WEIGHT == 0.5


def test_nothing_is_learnt_from_a_grade_of_nothing_or_of_what_nobody_could_tell() -> None:
    learnt = Learnt().all(answered("r1", 0.0), answered("r2", 100.0, asked("hm"), category=""))

    assert [False, False] == [learnt.feedback.grade("r1", 0.0, 1.0), learnt.feedback.grade("r2", 1.0, 101.0)]
    assert [] == learnt.seen


def test_a_grade_of_nobodys_answer_is_none() -> None:
    with pytest.raises(UnknownRequest):
        Learnt().feedback.grade("r1", 1.0, 0.0)


def test_who_changes_his_mind_counts_once_more_and_no_oftener() -> None:
    learnt = Learnt().all(answered("r1", 0.0))

    counted = [learnt.feedback.grade("r1", score, 1.0) for score in (1.0, 1.0, -1.0, 1.0, -1.0)]

    assert [True, False, True, False, False] == counted
    assert [1.0, 0.0] == [seen[3] for seen in learnt.seen]


def test_the_oldest_answers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "REMEMBERED", 10)
    learnt = Learnt().all(*(answered(f"r{n}", n * 2.0, asked(str(n))) for n in range(25)))

    with pytest.raises(UnknownRequest):
        learnt.feedback.grade("r14", 1.0, 60.0)
    assert learnt.feedback.grade("r15", 1.0, 60.0)
    kept = learnt.feedback._answers._by, learnt.feedback._questions, learnt.feedback._last
    assert [10, 10, 10] == list(map(len, kept))


def test_answers_take_the_room_that_they_need_from_the_start() -> None:
    """A peer that serves for months does not grow for the first hours: 10,000 objects would be over 3 MiB."""
    learnt = Learnt(LearningConfig()).all(answered("r", 0.0))
    request = asked()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for n in range(2 * feedback.REMEMBERED):
            remember(learnt.feedback, answered(f"r{n}", float(n), request))
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert grown < 64 << 10
    assert learnt.feedback.grade(f"r{n}", 1.0, n + 1.0)


def test_of_two_answers_under_one_id_the_newer_is_graded() -> None:
    """A client may name its requests as it likes."""
    learnt = Learnt().all(answered("r", 0.0), answered("r", 60.0, asked("and a goose egg?"), agent="large"))

    assert learnt.feedback.grade("r", 1.0, 70.0)

    assert ["large"] == [seen[1] for seen in learnt.seen]


def test_a_grade_of_an_answer_that_was_forgotten_says_nothing_of_the_one_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feedback, "REMEMBERED", 2)
    learnt = Learnt().all(answered("r1", 0.0))
    assert [True, True] == [learnt.feedback.grade("r1", score, 1.0) for score in (1.0, -1.0)]

    learnt.all(*(answered(f"r{n}", n * 60.0, asked(str(n))) for n in (2, 3)))

    assert learnt.feedback.grade("r3", 1.0, 200.0)


def test_asking_the_same_again_doubts_the_answer_before() -> None:
    learnt = Learnt().all(answered("r1", 0.0), answered("r2", 60.0, agent="large"))

    assert [("ben", "small", "food", 0.0, SIGN_WEIGHT, 61.0)] == learnt.seen


NO_SIGN = {
    "another question": answered("r2", 60.0, asked("and a goose egg?")),
    "the same words later in a talk": answered("r2", 60.0, asked(EGG, "hello")),
    "long after": answered("r2", 60.0 + AGAIN_S),
    "both at once, to compare them": answered("r2", 0.5),
    "an SDK's retry": msgspec.structs.replace(answered("r2", 60.0), is_retry=True),
    "embeddings": answered("r2", 60.0, asked(endpoint="embeddings")),
}


@pytest.mark.parametrize("second", NO_SIGN.values(), ids=NO_SIGN)
def test_what_is_no_sign(second: Answered) -> None:
    assert [] == Learnt().all(answered("r1", 0.0), second).seen


def test_what_is_asked_ever_again_is_a_habit() -> None:
    """A program that asks the same each minute doubts one answer, not all of them."""
    learnt = Learnt().all(*(answered(f"r{n}", 60.0 * n) for n in range(20)))

    assert 1 == len(learnt.seen)


def test_code_that_fails_doubts_the_last_answer_of_its_conversation() -> None:
    code = answered("r1", 0.0, asked("write a sort", session="a"), category="coding")
    other = answered("r2", 10.0, asked("write a poem", session="b"), agent="poet")
    fails = asked("Traceback (most recent call last):\n  ...\nKeyError: 1", "write a sort", session="a")

    learnt = Learnt().all(code, other, answered("r3", 30.0, fails), answered("r4", 40.0, fails))

    assert [("small", "coding"), ("small", "food")] == [(seen[1], seen[2]) for seen in learnt.seen]


def test_each_answer_is_doubted_once() -> None:
    """By the question that is asked again, or by code that fails; not by both."""
    fails = asked("panic: no", session="a")
    first = answered("r1", 0.0, asked("write a sort", session="a"))

    learnt = Learnt().all(first, answered("r2", 30.0, fails, agent="mid"), answered("r3", 60.0, first.request, "large"))

    assert ["small"] == [seen[1] for seen in learnt.seen]


def test_signs_are_read_only_where_they_are_wanted() -> None:
    learnt = Learnt(LearningConfig()).all(answered("r1", 0.0), answered("r2", 60.0))

    assert [] == learnt.seen
    assert learnt.feedback.grade("r1", -1.0, 61.0)


def test_nothing_is_remembered_where_nothing_is_learnt() -> None:
    learnt = Learnt(LearningConfig(feedback=False)).all(answered("r1", 0.0))

    assert not learnt.feedback.is_open
    with pytest.raises(UnknownRequest):
        learnt.feedback.grade("r1", 1.0, 1.0)


def test_no_text_is_kept() -> None:
    """Nor the name of a conversation, which may be a person's: hashes, by a key that ends with the process."""
    learnt = Learnt().all(answered("r1", 0.0, asked("a secret of mine", session="bob's talk")))

    learnt.feedback.grade("r1", 1.0, 2.0)
    kept = pickle.dumps([vars(learnt.feedback)[name] for name in ("_answers", "_questions", "_last")])

    assert not any(word in kept for word in (b"secret", b"bob"))


def test_a_grade_moves_what_an_agent_is_worth_for_that_category_alone() -> None:
    """In the same type that holds measured vectors and what names promise; half a graded answer, and it fades."""
    seen = Observations()
    learning = Feedback(LearningConfig(), seen.observe, b"key")
    remember(learning, answered("r1", 0.0))
    categories = ("food", "maths")

    learning.grade("r1", -1.0, 1.0)

    right, weight = seen.seen(PeerId("ben"), "small", categories, now=1.0)
    assert ([0.0, 0.0], [GRADE_WEIGHT, 0.0]) == (right.tolist(), weight.tolist())
    assert [GRADE_WEIGHT / 2, 0.0] == seen.seen(PeerId("ben"), "small", categories, now=86401.0)[1].tolist()
