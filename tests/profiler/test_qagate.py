"""Eq. (2) and what is no topic, worked by hand, and the artefact's round trip and refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from profiler.qagate import GIBBERISH, GateError, Projector, QAGate, shipped_gate


def identity(encoder: str = "toy", familiar: float = -1.0) -> Projector:
    """Of two numbers, where both are positive."""
    eye, zeros = np.eye(2, dtype=np.float32), np.zeros(2, np.float32)
    return Projector(encoder, eye, zeros, eye, zeros, familiar)


def tiny_gate(**changes: object) -> QAGate:
    """d = 2, the projector is the identity on positive inputs, prototypes at 0°, 60° and 90°."""
    fields: dict[str, object] = {
        "projectors": (identity(),),
        "prototypes": np.array([[1, 0], [0.5, 3**0.5 / 2], [0, 1]], np.float32),
        "prior": np.array([0.2, 0.4, 0.6], np.float32),
        "categories": ("law", "code", "law"),
        "alpha": 2.0,
        "top_p": 0.6,
        "training": {"seed": 7},
    }
    return QAGate(**(fields | changes))  # type: ignore[arg-type]


def test_similarity_is_the_cosine_with_each_prototype() -> None:
    """Eq. (2): (3, 0) lies at 0°; its length does not matter."""
    assert np.allclose([[1.0, 0.5, 0.0]], tiny_gate().similarity(np.array([[3, 0]], np.float32)))


def test_relevance_by_hand() -> None:
    """Eq. (3): cosines (1, .5, 0), alpha 2 -> (1, .25, 0); top .6 of 3 are 2; normalised (.8, .2, 0)."""
    assert np.allclose([[0.8, 0.2, 0.0]], tiny_gate().relevance(np.array([[3, 0]], np.float32)))


def test_a_text_without_a_known_word_is_like_nothing() -> None:
    """The static encoder gives zeros for it; the biases of a projector must not make a topic of them."""
    eye, ones = np.eye(2, dtype=np.float32), np.ones(2, np.float32)
    gate = tiny_gate(projectors=(Projector("toy", eye, ones, eye, ones, familiar=0.5),))
    silence = np.zeros((1, 2), np.float32)

    assert np.allclose(0, gate.similarity(silence))
    assert np.allclose(1 / 3, gate.relevance(silence))
    assert [False] == gate.is_familiar(gate.similarity(silence)).tolist()


def test_two_encoders_share_prototypes_and_space() -> None:
    """The second one sees the first one's axes the other way round."""
    swap, zeros = np.array([[0, 1], [1, 0]], np.float32), np.zeros(2, np.float32)
    mirrored = Projector("mirror", swap, zeros, np.eye(2, dtype=np.float32), zeros)
    gate = tiny_gate(projectors=(identity(), mirrored))

    other = gate.read_by("mirror")

    assert gate.space == other.space
    assert ("toy", "mirror") == (gate.encoder, other.encoder)
    text = np.array([[3, 0]], np.float32)
    assert np.allclose(gate.relevance(text), other.relevance(text[:, ::-1]))
    assert gate.space != tiny_gate().space


@pytest.mark.parametrize(("cosine", "expected"), [(0.7, True), (0.6, True), (0.59, False)])
def test_a_text_far_from_every_prototype_is_unfamiliar(cosine: float, expected: bool) -> None:
    gate = tiny_gate(projectors=(identity(familiar=0.6),))

    assert [expected] == gate.is_familiar(np.array([[-1, cosine, 0.1]])).tolist()


def noisy_gate(**changes: object) -> QAGate:
    """The prototype at 90° is of gibberish."""
    fields: dict[str, object] = {"categories": ("law", "code", GIBBERISH), "tasks": ("contracts", "code", GIBBERISH)}
    return tiny_gate(**(fields | changes))


def test_gibberish_is_no_topic_whatever_it_is_near() -> None:
    gate = noisy_gate(top_p=1.0, alpha=1.0)
    noise = np.array([[0, 3]], np.float32)  # at 90°: cosines 0, .866, 1

    assert [True, True, False] == gate.is_topic.tolist()
    assert [1] == gate.nearest(noise).tolist()
    assert np.allclose([[0, 1, 0]], gate.relevance(noise))
    assert np.allclose([0.5, 0.5, 0], gate.evenly)
    assert np.allclose([0.866], gate.margins(gate.similarity(noise)), atol=1e-3)


def test_familiar_is_the_margin_over_gibberish() -> None:
    """At 30°: cosines .866, .866, .5, so .366 over it. At 90°: .866 and 1, so -.134."""
    gate = noisy_gate(projectors=(identity(familiar=0.0),))
    similarity = gate.similarity(np.array([[3**0.5, 1], [0, 1]], np.float32))

    assert np.allclose([0.366, -0.134], gate.familiarity(similarity), atol=1e-3)
    assert [True, False] == gate.is_familiar(similarity).tolist()


def test_a_gate_of_gibberish_alone_is_refused() -> None:
    with pytest.raises(GateError, match="no prototype but those of gibberish"):
        tiny_gate(categories=(GIBBERISH,) * 3)


def test_a_gate_of_format_2_is_read_as_it_was(tmp_path: Path) -> None:
    """One name a prototype, doubt taken off by who publishes, and the space that it had."""
    old = tiny_gate(carries_means=False)

    old.save(tmp_path)
    loaded = QAGate.load(tmp_path)

    config = json.loads((tmp_path / "config.json").read_text())
    assert (2, False) == (config["format"], "tasks" in config)
    assert (old.space, False, old.categories) == (loaded.space, loaded.carries_means, loaded.tasks)
    assert "0121a4e4812925c0" == loaded.space  # as PPAI 0.1.0 had it
    with pytest.raises(GateError, match="one name a prototype"):
        tiny_gate(carries_means=False, tasks=("a", "b", "c"))
    with pytest.raises(GateError, match=r"lacks tasks"):
        edit_config(tmp_path, format=3)
        QAGate.load(tmp_path)


def test_a_gate_of_format_3_has_two_names_a_prototype(tmp_path: Path) -> None:
    gate = noisy_gate()

    gate.save(tmp_path)
    loaded = QAGate.load(tmp_path)

    assert 3 == json.loads((tmp_path / "config.json").read_text())["format"]
    assert (gate.space, gate.tasks, True) == (loaded.space, loaded.tasks, loaded.carries_means)
    assert ([1, 0, 2], [2, 0, 1]) == (loaded.task_index.tolist(), loaded.category_index.tolist())


def test_shipped_gate_spreads_one_over_few_prototypes(gate: QAGate) -> None:
    embeddings = np.random.default_rng(0).normal(size=(50, gate.dim)).astype(np.float32)

    relevance = gate.relevance(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))

    assert np.allclose(1.0, relevance.sum(1), atol=1e-5)
    assert (relevance > 0).sum(1).max() <= np.ceil(gate.top_p * gate.K)


def test_round_trip(tmp_path: Path) -> None:
    gate = tiny_gate(projectors=(identity(), identity("quick", 0.4)), margin=0.25)

    gate.save(tmp_path)
    loaded = QAGate.load(tmp_path, "toy")

    assert (gate.space, gate.categories, gate.training) == (loaded.space, loaded.categories, loaded.training)
    assert (0.25, 0.4) == (loaded.margin, loaded.read_by("quick").projector.familiar)
    assert np.array_equal(gate.prototypes, loaded.prototypes)
    assert (3, 2, [1, 0, 1]) == (loaded.K, loaded.dim, loaded.category_index.tolist())


@pytest.mark.parametrize(
    "change",
    [
        {"alpha": 4.0},
        {"top_p": 0.5},
        {"projectors": (identity("other"),)},
        {"projectors": (identity(familiar=0.5),)},
        {"margin": 0.1},
        {"categories": ("law", "law", "code")},
        {"tasks": ("contracts", "code", "courts")},
        {"carries_means": False},
        {"prior": np.zeros(3)},
    ],
)
def test_whatever_changes_a_vectors_meaning_changes_the_space(change: dict[str, object]) -> None:
    assert tiny_gate().space != tiny_gate(**change).space


def test_the_training_record_does_not_change_the_space() -> None:
    assert tiny_gate().space == tiny_gate(training={"seed": 8}).space


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"K": 4}, "K is 3, not 4"),
        ({"projectors": [{"encoder": "toy", "dim": 384, "familiar": -1.0}]}, r"dim is \[2\], not \[384\]"),
        ({"space": "0" * 16}, "space is"),
        ({"alpha": 3.0}, "space is"),
        ({"alpha": -1.0}, "alpha > 0"),
        ({"format": 1}, "format 2 or 3"),
        ({"tasks": ["contracts"]}, "1 tasks for 3 prototypes"),
        ({"categories": ["law"]}, "1 categories for 3 prototypes"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    tiny_gate().save(tmp_path)
    edit_config(tmp_path, **changes)

    with pytest.raises(GateError, match=message):
        QAGate.load(tmp_path)


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    tiny_gate().save(tmp_path)

    with pytest.raises(GateError, match="reads embeddings of toy, not of mpnet"):
        QAGate.load(tmp_path, "mpnet")


def test_wrong_shape_is_refused(tmp_path: Path) -> None:
    tiny_gate().save(tmp_path)
    tensors = load_file(tmp_path / "gate.safetensors")
    save_file(tensors | {"prior": np.zeros(5, np.float32)}, tmp_path / "gate.safetensors")

    with pytest.raises(GateError, match=r"prior has shape \(5,\), expected \(3,\)"):
        QAGate.load(tmp_path)


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(GateError, match="prior is not finite"):
        tiny_gate(prior=np.array([0, np.nan, 0], np.float32))


@pytest.mark.parametrize("damaged", ["config.json", "gate.safetensors"])
def test_missing_and_damaged_files_are_named(tmp_path: Path, damaged: str) -> None:
    with pytest.raises(GateError, match="no gate"):
        QAGate.load(tmp_path / "nowhere")
    tiny_gate().save(tmp_path)
    (tmp_path / damaged).write_bytes(b"{")

    with pytest.raises(GateError, match=damaged):
        QAGate.load(tmp_path)


def test_shipped_gate_is_where_the_package_looks() -> None:
    assert (shipped_gate() / "queries.jsonl").is_file()
