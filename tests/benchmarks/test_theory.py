"""What holds of the interoperability game, and what the paper claims that does not (docs/game.md), as runnable checks.

The repaired game: U_i = s(i,j) - β·(d(i,j) + ℓ_j(n_j)), n_j users at agent j: a singleton congestion game with
player-specific constants.
"""

from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np
import pytest
from numpy.typing import NDArray

from discovery.records import PeerId, Pulse
from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.queueing import wait
from gateway.beliefs.table import Beliefs
from gateway.routing import cost
from gateway.routing.policies import paper_utilisation
from gateway.routing.utility import utility

Floats = NDArray[np.float64]
Profile = tuple[int, ...]  # z: each user's agent


@dataclass(frozen=True, slots=True)
class Game:
    """N users, J agents with affine delays a_j·n + b_j, in seconds."""

    score: Floats  # (N, J)
    transit_s: Floats  # (N, J); inf: not permitted
    slope_s: Floats  # (J,) a
    floor_s: Floats  # (J,) b
    beta_per_s: float = 0.1
    toll: float = 0.0  # of what a user costs the others there, 0 to 1: `cost.crowding`

    def cost_s(self, i: int, z: Profile) -> float:
        n = z.count(z[i])
        return float(self.transit_s[i, z[i]] + self.slope_s[z[i]] * n + self.floor_s[z[i]])

    def utility(self, i: int, z: Profile) -> float:
        crowding_s = cost.crowding(1.0, float(self.slope_s[z[i]]), float(z.count(z[i])), self.toll)
        return float(utility(self.score[i, z[i]], self.cost_s(i, z) + crowding_s, self.beta_per_s))

    def potential(self, z: Profile) -> float:
        """Φ(z) = Σ_i (s - β·d)(i, z_i) - β·Σ_j Σ_{k ≤ n_j} ℓ_j(k)."""
        own = sum(self.score[i, j] - self.beta_per_s * self.transit_s[i, j] for i, j in enumerate(z))
        queues = sum(self.slope_s[j] * k + self.floor_s[j] for j in set(z) for k in range(1, z.count(j) + 1))
        return float(own - self.beta_per_s * queues)

    def social_cost_s(self, z: Profile) -> float:
        """Seconds plus forgone score in seconds, (1 - s)/β: the cost that everybody minimises."""
        return sum(self.cost_s(i, z) + (1 - float(self.score[i, j])) / self.beta_per_s for i, j in enumerate(z))

    def moves(self, i: int, z: Profile) -> list[Profile]:
        return [(*z[:i], j, *z[i + 1 :]) for j in range(len(self.slope_s)) if np.isfinite(self.transit_s[i, j])]

    def best_response(self, i: int, z: Profile) -> Profile:
        best = max(self.moves(i, z), key=lambda other: self.utility(i, other))
        return best if self.utility(i, best) > self.utility(i, z) + 1e-12 else z

    def is_equilibrium(self, z: Profile) -> bool:
        return all(self.best_response(i, z) == z for i in range(len(z)))


def random_game(seed: int, users: int, agents: int) -> Game:
    rng = np.random.default_rng(seed)
    return Game(
        rng.uniform(0, 1, (users, agents)),
        rng.uniform(0, 2, (users, agents)),
        rng.uniform(0, 2, agents) * (rng.random(agents) < 0.8),
        rng.uniform(0, 2, agents),
        float(rng.choice([0.01, 0.1, 1.0])),
    )


TWO_BY_TWO = Game(np.zeros((2, 2)), np.zeros((2, 2)), np.ones(2), np.zeros(2), beta_per_s=1.0)


# --- Theorem 1: the potential


@pytest.mark.parametrize("seed", range(20))
def test_the_repaired_potential_is_exact(seed: int) -> None:
    """Whatever one user changes, Φ changes by what that user gains."""
    game = random_game(seed, users=6, agents=4)
    z = tuple(np.random.default_rng(seed).integers(0, 4, 6).tolist())

    for i in range(6):
        for moved in game.moves(i, z):
            assert game.potential(moved) - game.potential(z) == pytest.approx(
                game.utility(i, moved) - game.utility(i, z)
            )


def test_the_papers_potential_is_not() -> None:
    """Eq. (13-14): from both at agent 1, one moves and gains 1; the sum of utilities gains 2."""
    together, apart = (0, 0), (1, 0)

    gain = TWO_BY_TWO.utility(0, apart) - TWO_BY_TWO.utility(0, together)
    total = [sum(TWO_BY_TWO.utility(i, z) for i in range(2)) for z in (together, apart)]

    assert (1.0, 2.0) == (gain, total[1] - total[0])


def test_pure_equilibria_are_not_unique() -> None:
    assert [(0, 1), (1, 0)] == [z for z in product(range(2), repeat=2) if TWO_BY_TWO.is_equilibrium(z)]


@pytest.mark.parametrize("seed", range(10))
def test_the_logit_equilibrium_is_unique(seed: int) -> None:
    """With an entropy term, p ∝ exp(-ℓ(p)/T), every start ends at one point: what the temperature is for."""
    rng = np.random.default_rng(seed)
    slope, floor, temperature = rng.uniform(0.5, 3, 5), rng.uniform(0, 2, 5), 0.3

    def settled(p: Floats) -> Floats:
        for _ in range(4000):
            weights = np.exp(-(slope * p + floor) / temperature)
            p = 0.98 * p + 0.02 * weights / weights.sum()
        return p

    ends = [settled(start) for start in (*np.eye(5), np.full(5, 0.2))]

    assert all(np.allclose(ends[0], end, atol=1e-6) for end in ends)


# --- the toll


@pytest.mark.parametrize("seed", range(20))
def test_with_the_toll_the_total_cost_is_the_potential(seed: int) -> None:
    """Whatever one user changes, all together pay what that user loses: nobody wants to leave the best assignment."""
    game = replace(random_game(seed, users=6, agents=4), toll=1.0)
    z = tuple(np.random.default_rng(seed).integers(0, 4, 6).tolist())

    for i in range(6):
        for moved in game.moves(i, z):
            assert game.beta_per_s * (game.social_cost_s(moved) - game.social_cost_s(z)) == pytest.approx(
                game.utility(i, z) - game.utility(i, moved)
            )


def test_where_all_agree_who_is_best_the_toll_ends_in_the_best_assignment() -> None:
    """Forty games of 16 users on equal engines: best responses with it end there, without it up to 9 % above.

    Where everybody prefers another agent it is no use: both end about 1 % above the best that is found.
    """
    excess: dict[float, list[float]] = {0.0: [], 1.0: []}
    for seed in range(40):
        rng, game = np.random.default_rng(seed), random_game(seed, users=16, agents=4)
        agreed = np.tile(rng.uniform(0, 1, 4), (16, 1)), np.tile(rng.uniform(0, 2, 4), (16, 1))
        game = replace(game, score=agreed[0], transit_s=agreed[1], slope_s=np.full(4, 0.3))
        start = tuple(rng.integers(0, 4, 16).tolist())
        ends = {toll: game_end(replace(game, toll=toll), start) for toll in excess}
        best_s = game.social_cost_s(best_found(game, seed))
        for toll, z in ends.items():
            excess[toll].append(game.social_cost_s(z) / best_s - 1)

    assert max(excess[1.0]) < 1e-9
    assert 0.01 < np.mean(excess[0.0]) < max(excess[0.0]) < 0.1


def game_end(game: Game, z: Profile) -> Profile:
    """Where best responses one after another end."""
    while not game.is_equilibrium(z):
        for i in range(len(z)):
            z = game.best_response(i, z)
    return z


def best_found(game: Game, seed: int) -> Profile:
    """The cheapest of the tolled ends of thirty starts: with the toll every end is a local best of the total."""
    rng, tolled = np.random.default_rng(seed), replace(game, toll=1.0)
    agents, users = len(game.slope_s), len(game.score)
    ends = [game_end(tolled, tuple(rng.integers(0, agents, users).tolist())) for _ in range(30)]
    return min(ends, key=game.social_cost_s)


# --- Lemma 3: best responses


@pytest.mark.parametrize("seed", range(20))
def test_sequential_best_responses_converge(seed: int) -> None:
    """Every step raises Φ, so that it ends; and it ends where nobody wants to move."""
    game = random_game(seed, users=12, agents=5)
    z: Profile = tuple(np.random.default_rng(seed).integers(0, 5, 12).tolist())

    path = [game.potential(z)]
    while not game.is_equilibrium(z):
        for i in range(12):
            moved = game.best_response(i, z)
            if moved != z:
                z = moved
                path.append(game.potential(z))

    assert all(later > earlier for earlier, later in pairwise(path))
    assert len(path) < 200


def test_simultaneous_stale_best_responses_cycle() -> None:
    """Both see the same old news and both move: herding. The default policy looks afresh and draws by lot instead."""
    z: Profile = (0, 0)

    seen = []
    for _ in range(4):
        seen.append(z)
        z = tuple(TWO_BY_TWO.best_response(i, z)[i] for i in range(2))

    assert [(0, 0), (1, 1), (0, 0), (1, 1)] == seen


# --- Lemma 2: more waiting, less utility


def test_utility_strictly_falls_with_the_wait() -> None:
    """No cap: 10,000 jobs ahead are worse than 9,999."""
    backlog = np.arange(10_001, dtype=np.float64)
    ones = np.ones_like(backlog)

    worth = utility(0.9, wait(backlog, ones, ones, ones), 0.01)

    assert (np.diff(worth) < 0).all()


def test_the_papers_congestion_stops_at_its_cap() -> None:
    """Eq. (7): from ρ = 1 on all agents look alike, with two jobs waiting or two hundred; below it may be negative."""
    arrivals = np.array([0.5, 2.0, 5.0, 500.0])

    rho = paper_utilisation(arrivals, np.full(4, 2.0), horizon_s=1.0)

    assert [-1.25, 1.0, 1.0, 1.0] == rho.tolist()


# --- Theorem 2: the price of anarchy


@pytest.mark.parametrize("seed", range(40))
def test_anarchy_costs_at_most_five_halves(seed: int) -> None:
    """Every pure equilibrium of small random affine games, by exhaustion, against the best assignment."""
    game = random_game(seed, users=5, agents=3)

    profiles = list(product(range(3), repeat=5))
    worst = max(game.social_cost_s(z) for z in profiles if game.is_equilibrium(z))
    best = min(game.social_cost_s(z) for z in profiles)

    assert worst <= 2.5 * best


def test_it_can_cost_more_than_the_papers_five_thirds() -> None:
    """Agents in a binary tree of height 4, a user for each edge, who may use either end (cf. Caragiannis et al. 2011).

    At the end nearer to the root, where nobody gains by moving, they pay 1.73 times what they would at the other.
    """
    height = 4
    nodes, inner = 2 ** (height + 1) - 1, 2**height - 1
    level = np.array([(k + 1).bit_length() - 1 for k in range(nodes)])
    slope = np.where(level < height, (2 / 3) ** level, 2 * (2 / 3) ** (height - 1))
    transit = np.full((nodes - 1, nodes), np.inf)
    for child in range(1, nodes):
        transit[child - 1, [child, (child - 1) // 2]] = 0.0
    game = Game(np.ones(transit.shape), transit, slope, np.zeros(nodes))
    near, far = tuple((child - 1) // 2 for child in range(1, nodes)), tuple(range(1, nodes))

    ratio = game.social_cost_s(near) / game.social_cost_s(far)

    assert inner == len(set(near)) and game.is_equilibrium(near)
    assert 5 / 3 < ratio < 5 / 2


@pytest.mark.parametrize(("score", "ratio"), [(0.0, 4 / 3), (1.75, -1.0), (2.0, 0.0)])
def test_a_ratio_of_summed_utilities_means_nothing(score: float, ratio: float) -> None:
    """Eq. (15) divides sums of utilities: the same game, the same choices, and any ratio, by what all scores share."""
    game = Game(np.full((2, 2), score), np.zeros((2, 2)), np.array([1.0, 0.0]), np.array([0.0, 2.0]), beta_per_s=1.0)
    worst, best = (0, 0), (0, 1)

    of = [sum(game.utility(i, z) for i in range(2)) for z in (worst, best)]

    assert game.is_equilibrium(worst)
    assert ratio == pytest.approx(of[0] / of[1])


# --- Theorem 3: beliefs


def observed(config: BeliefConfig, seconds: int, seed: int, rate: float = 2.0) -> tuple[float, float]:
    """(E[λ], relative sd of the posterior) after so many seconds of a pulse a second of a peer at this arrival rate."""
    beliefs, peer = Beliefs(config), PeerId("b")
    beliefs.add(peer, slots=4)
    rng = np.random.default_rng(seed)
    arrivals = 0
    for t in range(seconds):
        arrivals += int(rng.poisson(rate))
        beliefs.observe_pulse(
            Pulse(peer, 1, t + 1, 1, 0, 4, arrivals, arrivals, 500 * arrivals, 1000 * t, 0, 0, "open"), float(t)
        )
    mean = float(beliefs.expect(beliefs.rows([peer]), float(seconds - 1)).arrival_rate[0])
    return mean, (config.prior_arrivals + beliefs[peer].arrivals) ** -0.5


def test_without_forgetting_the_posterior_concentrates_on_the_true_rate() -> None:
    """φ = 1: the relative sd falls as 1/sqrt(λ·t), and the mean stays within three of them."""
    for seconds in (100, 1_000, 10_000):
        mean, sd = observed(BeliefConfig(tau_s=1e12), seconds, seed=1)

        assert (2.0 * seconds) ** -0.5 == pytest.approx(sd, rel=0.1)
        assert abs(mean - 2.0) < 3 * 2.0 * sd


def test_with_forgetting_it_stays_as_wide_as_its_memory() -> None:
    """φ < 1: the relative sd settles at about 1/sqrt(λ·τ), however long we look: beliefs keep moving so far."""
    ends = [observed(BeliefConfig(tau_s=60.0), 900, seed) for seed in range(30)]

    means, sds = np.array(ends).T
    assert (2.0 * 60.0) ** -0.5 == pytest.approx(sds.mean(), rel=0.05)
    assert 0.03 < means.std() / 2.0 < sds.mean()


def test_with_forgetting_it_follows_a_peer_that_changes() -> None:
    """The reason for it: three memories after a change from 2/s to 8/s, little but the prior holds it back."""
    beliefs, peer = Beliefs(BeliefConfig(tau_s=60.0)), PeerId("b")
    beliefs.add(peer, slots=4)
    arrivals = 0
    for t in range(780):
        arrivals += 2 if t < 600 else 8
        beliefs.observe_pulse(Pulse(peer, 1, t + 1, 1, 0, 4, arrivals, 0, 0, 1000 * t, 0, 0, "open"), float(t))

    rate = float(beliefs.expect(beliefs.rows([peer]), 779.0).arrival_rate[0])

    assert 6.5 < rate < 8.0
