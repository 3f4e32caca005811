"""Four equal peers behind links of different speed, in virtual time: where images go, and what it saves."""

import random

from msgspec import structs

from tests.gateway.routing.ada import MATHS, Ada, agent

BYTES_PER_S = (0.25e6, 1e6, 4e6, 50e6)  # 2 Mbit/s up to more than is assumed of each
RTT_S, REQUESTS = 0.005, 200


class Network:
    """Ada, who asks, and the others; between two requests half a minute passes, in which nobody else asks."""

    def __init__(self) -> None:
        self._ada = Ada()
        self.links = {self._ada.meet(n + 1, agent(capability=(255, 255))): of for n, of in enumerate(BYTES_PER_S)}
        self._step = 1

    def ask(self, size_bytes: int, *, is_measured: bool) -> float:
        """Seconds until the body is at who is asked first."""
        ada = self._ada
        self._step += 1
        ada.now += 30.0
        ada.hear(*(ada.pulse(n + 1, seq=self._step, t_ms=int(ada.now * 1000)) for n in range(len(self.links))))
        decision = ada.decide(structs.replace(MATHS, body_bytes=size_bytes))
        peer = decision.candidate(decision.order[0]).peer_id
        took_s = RTT_S + size_bytes / self.links[peer]
        if is_measured:
            ada.node.observe_sent(peer, size_bytes, took_s, "direct")
        return took_s


def test_images_go_where_they_arrive_sooner() -> None:
    """Nobody tells how fast its link is: that is seen by what went there. Without that, all are taken to be alike."""
    mean_s = list[float]()
    for is_measured in (False, True):
        network, rng = Network(), random.Random(1)
        took = [network.ask(rng.randrange(1 << 19, 6 << 20), is_measured=is_measured) for _ in range(REQUESTS)]
        mean_s.append(sum(took[REQUESTS // 2 :]) / (REQUESTS // 2))

    unmeasured_s, measured_s = mean_s
    assert measured_s < (6 << 20) / BYTES_PER_S[-1] < unmeasured_s / 8
