"""What is expected of models that nobody measured."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.models.curves import GROUPS, read_rows
from gateway.models.priors import GENERAL, TINY, Priors, group_of
from gateway.models.published import published_text, shipped_priors

ALL = (*GROUPS, GENERAL)
CURVES_ALONE = Priors()
FAMILIES = {
    "qwen3:{}": "0.6b 1.7b 4b 8b 14b 32b 70b",
    "qwen2.5:{}": "0.5b 1.5b 3b 7b 14b 32b 72b",
    "qwen2.5-coder:{}": "0.5b 1.5b 3b 7b 14b 32b",
    "llama3.2:{}": "1b 2b 3b 11b 90b",
    "llama3.1:{}": "8b 70b 405b",
    "gemma3:{}": "270m 1b 4b 12b 27b",
    "SmolLM2-{}-Instruct": "135m 360m 1.7b",
    "deepseek-r1:{}": "1.5b 7b 8b 14b 32b 70b",
    "granite3.1-dense:{}": "2b 8b",
    "falcon3:{}": "1b 3b 7b 10b",
    "nobody-knows:{}": "100m 400m 600m 3b 40b 400b",
}
LARGE = (
    *("qwen3:32b", "qwen2.5:32b", "qwen2.5-coder:32b", "qwen1.5:32b", "yi:34b", "deepseek-r1:32b", "aya-expanse:32b"),
    *("exaone3.5:32b", "command-r:35b", "olmo2:32b", "granite4.1:30b", "gemma3:32b", "nobody-knows:32b", "qwq:32b"),
    *("glm4:32b", "falcon:40b", "codellama:34b", "yi:34b-q4_K_M", "nobody-knows:32b-instruct-q4_0"),
)


@pytest.mark.parametrize("priors", [shipped_priors(), CURVES_ALONE], ids=["table", "curves"])
@pytest.mark.parametrize(("family", "sizes"), FAMILIES.items(), ids=list(FAMILIES))
def test_within_a_family_more_parameters_never_promise_less(priors: Priors, family: str, sizes: str) -> None:
    found = [priors.expected(family.format(size)).means for size in sizes.split()]

    for group in ALL:
        assert sorted(means[group] for means in found) == [means[group] for means in found], group


def test_every_family_of_the_table_rises_with_its_size() -> None:
    """Also between and beyond the sizes that pages have, as engines tell them."""
    sizes = [int(1e8 * 1.25**step) for step in range(40)]
    dense = {row.family for row in read_rows(published_text())}
    moes = {row.family for row in read_rows(published_text()) if row.size < 0.9 * row.parameters}

    assert len(dense - moes) > 60
    for family in dense - moes:
        name = "-".join("".join(word) for word in family)
        found = [shipped_priors().expected(name, parameters=size).means for size in sizes]
        for group in ALL:
            values = [means[group] for means in found]
            assert all(b >= a - 1e-9 for a, b in pairwise(values)), (name, group)


@pytest.mark.parametrize("priors", [shipped_priors(), CURVES_ALONE], ids=["table", "curves"])
@pytest.mark.parametrize("large", LARGE)
def test_no_135m_is_believed_more_than_a_32b_however_well_it_was_measured(priors: Priors, large: str) -> None:
    """Half a standard deviation of doubt off the large one; the small one without any."""
    tiny, expected = priors.expected("SmolLM2-135M-Instruct"), priors.expected(large)

    for group in ALL:
        assert tiny.most[group] <= expected.means[group] - expected.spread / 2, group


def test_a_measurement_of_half_a_billion_parameters_and_more_is_believed_whatever_it_says() -> None:
    assert {} == shipped_priors().expected("qwen3:0.6b").most
    assert {} == shipped_priors().expected("no-size").most
    assert 1.0 == shipped_priors().expected("no-size").limit("maths")
    assert TINY > 135e6


def test_fewer_bits_promise_less_from_three_on() -> None:
    names = [f"qwen2.5:32b-{packed}" for packed in ("q2_K", "q3_K_M", "q4_K_M", "q8_0", "fp16")]
    general = [shipped_priors().expected(name).means[GENERAL] for name in names]

    assert sorted(general) == general
    assert general[3] == general[4]
    assert 0.05 < general[4] - general[0]
    assert 0.01 > general[4] - general[2]


def test_a_name_alone_details_alone_and_details_against_the_name() -> None:
    expected = shipped_priors().expected
    by_name, by_details = expected("qwen3:32b"), expected("my-helper", parameters=32_000_000_000)
    against = expected("qwen3:32b", parameters=600_000_000)

    assert by_details.means["knowledge"] == pytest.approx(CURVES_ALONE.expected("x:32b").means["knowledge"])
    assert against.means == expected("qwen3:0.6b").means
    assert "600M qwen3" == against.words
    assert by_name.spread < by_details.spread < expected("my-helper").spread


def test_what_a_model_was_trained_to_shows_where_it_was_trained() -> None:
    def edge(name: str, category: str) -> float:
        return shipped_priors().expected(name).mean(category) - shipped_priors().expected("qwen2.5:7b").mean(category)

    assert 0 < edge("qwen2.5-coder:7b", "coding")
    assert 0 < edge("qwen2.5-math:7b", "maths")
    assert 0 > edge("qwen2.5-math:7b", "writing to rules")
    assert 0 > edge("qwen2.5:7b-base", "writing to rules")
    new = CURVES_ALONE.expected("x-med-7b").mean("medicine") - CURVES_ALONE.expected("x:7b").mean("medicine")
    assert 0.05 < new


@pytest.mark.parametrize("name", ["nomic-embed-text", "bge-m3", "bge-reranker-v2-m3", "all-minilm:22m"])
def test_a_model_for_embeddings_answers_nothing(name: str) -> None:
    assert {0.02} == set(shipped_priors().expected(name).means.values())


def test_a_new_version_counts_as_the_latest_known_and_a_tune_as_its_base() -> None:
    expected = shipped_priors().expected

    assert expected("qwen4:8b").means["knowledge"] >= expected("qwen2:8b").means["knowledge"]
    assert expected("hermes-3-llama-3.1-8b").means == expected("llama3.1:8b").means
    assert expected("hermes-3-llama-3.1-8b").spread > expected("llama3.1:8b").spread


@settings(deadline=None)
@given(
    st.one_of(
        st.text(max_size=300), st.from_regex(r"[a-z]{0,9}[-:]?[0-9]{1,250}(\.[0-9]+)?(x[0-9]{1,200})?[mbt]-a?[0-9]*b")
    ),
    st.integers(0, 10**14),
    st.text(max_size=40),
)
@example("9" * 200 + "x" + "9" * 50 + "b", 0, "")
@example("0b", 0, "q0")
@example("x:0.0000000001b-a0b", 0, "")
def test_whatever_a_peer_calls_its_model_a_share_is_expected(name: str, parameters: int, quantisation: str) -> None:
    for priors in (shipped_priors(), CURVES_ALONE):
        expected = priors.expected(name, parameters, quantisation)

        assert all(0.0 < mean < 1.0 for mean in expected.means.values())
        assert 0.0 < expected.spread < 1.0


def test_who_claims_more_than_models_have_claims_what_they_have() -> None:
    assert CURVES_ALONE.expected("x:1t").means == CURVES_ALONE.expected("x:" + "9" * 99 + "t").means


def test_a_cloud_s_model_of_unknown_size_is_large() -> None:
    expected = shipped_priors().expected

    assert expected("gpt-9", place="cloud").means["knowledge"] > expected("gpt-9").means["knowledge"]
    assert expected("qwen3:8b", place="cloud").means == expected("qwen3:8b").means


def test_categories_of_both_gates_have_their_group() -> None:
    assert ["maths", "maths", "code", "code", "languages", "tools", GENERAL, GENERAL] == [
        group_of(name) for name in ("maths", "gsm8k", "coding", "humaneval", "cmmlu", "tool use", "food", "gibberish")
    ]
