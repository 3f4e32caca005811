"""What a peer says about itself: its Card (who it is, what it runs) and its Pulse (its load).

Only the peer that a record is about writes it. A record has a version, (gen, seq); the greater one replaces the other,
and no wall clock orders them. Knows nothing of signatures, of bytes on the wire, or of whom to believe.
"""

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, NamedTuple, NewType

from discovery.words import WORD_BYTES

PeerId = NewType("PeerId", str)  # 52 characters: lower-case base32, no padding, of the Ed25519 public key

Flag = Literal["join", "update", "delete"]
Place = Literal["", "here", "other host", "cloud"]  # where an agent's engine runs, seen from its peer; "": not told
Kind = Literal["model", "agent"]  # a bare model, or a personal agent
AdmissionState = Literal["open", "soft", "closed"]

COUNT_LIMIT = 2**53  # counters and versions are below it: exact in float64, and so in every JSON reader
CARD_LIMIT_BYTES = 8192
PULSE_LIMIT_BYTES = 300
AGENTS_LIMIT = 16  # in a card
FEATURES_LIMIT = 16  # in a card
ENGINES_LIMIT = 4  # of a peer that its pulse tells apart
ENGINE_COUNT_LIMIT = 2**32  # each counter of one engine is below it
SPACES_LIMIT = 2  # of an agent: while a gate is replaced, it publishes the old and the new space
PROTOTYPES_LIMIT = 1024  # K of a profile
ADDRESSES_LIMIT = 4  # in a card
SLOTS_LIMIT = 4096  # slots are below it
CONTEXT_LIMIT = 2**31  # a context's tokens are below it
PARAMETERS_LIMIT = 10**14  # of a model: what says more is taken to say this
QUESTIONS_LIMIT = 10_000  # of a domain: what says more is taken to say this
JOBS_LIMIT = 1 << 20  # more jobs at one engine are no news: what says more is taken to say this

_IDS_REMEMBERED = 4096  # base32 of the standard library is slow (docs/results/gossip.md#small-choices)

# Cloud metadata services outside the link-local range: AWS over IPv6, Alibaba, Azure.
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))

_ISATAP = 0x00005EFE  # RFC 5214: bits 64 to 95, where one bit may differ; an IPv4 address follows
_IP = ipaddress.IPv4Address | ipaddress.IPv6Address


WHOLE = -1  # no engine of a peer in particular: all of them together


@dataclass(frozen=True, slots=True)
class Profile:
    """A capability vector p_j (Eq. 4) in one space: p_k = `capability[k]` / 255, from `evidence[k]` questions."""

    capability: bytes  # (K,) uint8
    evidence: tuple[int, ...]  # (K,)


@dataclass(frozen=True, slots=True)
class Domain:
    """What the owner's questions to a personal agent found: the share right with its knowledge and tools, and without.

    Shares are in [0, 1]; without questions all are 0.
    """

    questions: int = 0
    right: float = 0.0  # with what the agent has
    right_without: float = 0.0  # by its model alone
    recall: float = 0.0  # share of the questions that its topics attract, as its own peer reads them


OWN_TOOLS = frozenset({"documents", "calculator", "clock"})  # that PPAI itself has, and that ask nobody


@dataclass(frozen=True, slots=True)
class Agent:
    """A model that a peer serves, or a personal agent: a model with a prompt, knowledge or tools of its owner's.

    `profiles` maps a space (a gate's identity) to what was measured in it.

    A card holds the fields down to `profiles`. The others are details, which a peer tells those who ask (details.py).
    """

    name: str
    model: str
    context_tokens: int  # as it is served; 0: the engine does not say
    modalities: tuple[str, ...] = ("text",)  # and abilities: what its engine tells
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    untold: tuple[str, ...] = ()  # modalities and abilities that its engine neither tells nor denies
    endpoints: tuple[str, ...] = ()  # that its engine answers; empty: not told
    place: Place = ""
    is_embedded: bool = False  # the small model that comes with PPAI
    parameters: int = 0  # 0: not told
    quantisation: str = ""  # as its engine says it, e.g. Q4_K_M; empty: not told
    topics: tuple[str, ...] = ()  # sentences that say what it is for
    last_resort: bool = False  # asked when nobody else can answer
    engine: int = WHOLE  # which of its peer's engines serves it, as the pulse counts them; WHOLE: any, or the only one
    continues: tuple[str, ...] = ()  # endpoints at which it goes on with an answer that another agent began
    kind: Kind = "model"
    base: str = ""  # of a personal agent, the model that it asks; its own `model` is its name
    tools: tuple[str, ...] = ()  # of a personal agent: names of the kinds of tools that it has
    domain: Domain = Domain()  # of an agent with topics: what its owner's questions found
    description: str = ""  # of a personal agent, one line of its owner's

    @property
    def is_contained(self) -> bool:
        """Whether nothing of a request leaves its engine: a personal agent's servers of tools may be anybody's."""
        return OWN_TOOLS.issuperset(self.tools)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a peer listens: an IP literal, never a name, which could be pointed elsewhere after we checked it."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


@dataclass(frozen=True, slots=True)
class Card:
    """What a peer is; `cert` is the SHA-256 of the TLS certificate that it presents."""

    id: PeerId
    name: str
    gen: int  # generation: grows with every start of the peer
    seq: int  # grows with every card of a generation, from 1
    flag: Flag
    ts: int  # unix seconds, for display only
    addr: tuple[Address, ...]
    cert: bytes  # (32,)
    slots: int  # requests it serves at once; 0: it only asks others
    ttl_s: int  # s for which others remember it, and keep trying to reach it, once it is silent
    agents: tuple[Agent, ...]
    proof: bytes = b""  # (32,) proof that it knows the network's secret (admission.py), or empty
    features: tuple[str, ...] = ()  # what else may be asked of it, e.g. `agents`; a reader passes over unknown words
    details: bytes = b""  # (8,) changes whenever its answer to POST /peer/1/agents may have; or empty
    relayed: int = 0  # bit k: addr[k] is a relay's, which tells peers apart by the name that TLS is asked for

    @property
    def through_relays(self) -> frozenset[Address]:
        """Those of its addresses that are a relay's."""
        return frozenset(address for number, address in enumerate(self.addr) if self.relayed >> number & 1)


class EngineCounts(NamedTuple):
    """The load of one engine, where a peer has several: as in a Pulse, of this engine alone."""

    running: int
    waiting: int
    slots: int
    arrivals: int
    completions: int
    busy_ms: int


@dataclass(frozen=True, slots=True)
class Pulse:
    """The load of a peer.

    Counters and `t_ms` count from the start of `gen`. The difference of two pulses of one gen is what happened between
    them, whichever pulses were lost.
    """

    id: PeerId
    gen: int
    seq: int
    running: int
    waiting: int
    slots: int
    arrivals: int
    completions: int
    busy_ms: int  # slot-milliseconds spent serving
    t_ms: int  # milliseconds of the owner's monotonic clock since gen began
    tokens_in: int
    tokens_out: int
    admission: AdmissionState
    engines: tuple[EngineCounts, ...] = ()  # of a peer with several, the first four; the totals are above
    word: bytes = b""  # (16,) proves that its owner made this pulse (words.py), or empty

    def of_engine(self, number: int) -> "Pulse":
        """The same pulse as if the peer had this engine alone; how many tokens it read and wrote is not told."""
        counts = self.engines[number]
        return replace(self, **counts._asdict(), tokens_in=0, tokens_out=0, engines=())


Record = Card | Pulse


class InvalidRecord(ValueError):
    """A record out of bounds: `field` names the field, `reason` says what is allowed."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def version(record: Record) -> tuple[int, int]:
    """(gen, seq), compared lexicographically."""
    return record.gen, record.seq


def supersedes(new: Record, old: Record | None) -> bool:
    """Whether `new` replaces `old`, a record of the same peer and type."""
    return old is None or version(new) > version(old)


@lru_cache(maxsize=_IDS_REMEMBERED)
def peer_id(public_key: bytes) -> PeerId:
    """The id of a raw (32,) Ed25519 public key. Raises InvalidRecord when it is not 32 bytes."""
    if len(public_key) != 32:
        raise InvalidRecord("id", "expected 32 bytes")
    return PeerId(base64.b32encode(public_key).decode("ascii").rstrip("=").lower())


@lru_cache(maxsize=_IDS_REMEMBERED)
def public_key(peer: str) -> bytes:
    """The raw (32,) public key behind an id. Raises InvalidRecord when `peer` is not the one spelling of an id."""
    try:
        raw = base64.b32decode(peer.upper() + "====")
    except (binascii.Error, ValueError) as error:
        raise InvalidRecord("id", "expected 52 base32 characters") from error
    if len(raw) != 32 or peer_id(raw) != peer:
        raise InvalidRecord("id", "expected 52 lower-case base32 characters")
    return raw


def printable(text: str, limit: int) -> str:
    """`text` without control, bidirectional and unassigned characters, cut to `limit`: fit for a record."""
    kept = text if text.isprintable() else "".join(c for c in text if c.isprintable())
    return kept.strip()[:limit].rstrip()


def validate(record: Record) -> None:
    """Raise InvalidRecord unless every field is within its bounds."""
    public_key(record.id)
    _check_count("gen", record.gen, 1)
    _check_count("seq", record.seq, 1)
    if isinstance(record, Card):
        _validate_card(record)
    else:
        _validate_pulse(record)


def dialable(addresses: tuple[Address, ...], *, on_loopback: bool) -> tuple[Address, ...]:
    """The `addresses` that we may dial: all of them where our own listener is on loopback, else all but loopback ones.

    A loopback address means the machine that dials it, so on another machine it would lead to that machine's services.
    """
    return tuple(a for a in addresses if on_loopback or not ipaddress.ip_address(a.ip).is_loopback)


def may_be_peer(ip: _IP) -> bool:
    """Whether a peer may be found there: one host, reached by routing, and no cloud's metadata service.

    An address that wraps an IPv4 address (6to4, Teredo, ISATAP) leads there, so it is as good as that one; but none may
    wrap a loopback address. Addresses of NAT64 are among the reserved.
    """
    if ip.is_unspecified or ip.is_multicast or ip.is_link_local or (ip.is_reserved and not ip.is_loopback):
        return False
    if ip in _METADATA or (ip.version == 4 and int(ip) < 1 << 24):
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return True
    return not ip.is_site_local and all(may_be_peer(v4) and not v4.is_loopback for v4 in _wrapped(ip))


def check_address(address: Address) -> None:
    """Raise InvalidRecord unless `address` is a canonical IP literal of one host and a port a peer may use.

    Ports below 1024 are refused: they belong to system services, which a forged card could make us connect to. 443 is
    allowed, since firewalls let it through and what listens there expects TLS.
    """
    try:
        ip = ipaddress.ip_address(address.ip)
    except ValueError as error:
        raise InvalidRecord("addr", "expected an IP literal, not a name") from error
    if str(ip) != address.ip or getattr(ip, "ipv4_mapped", None) or getattr(ip, "scope_id", None):
        raise InvalidRecord("addr", f"expected the canonical spelling of {ip}")
    if not may_be_peer(ip):
        raise InvalidRecord("addr", f"{ip} is not the address of a peer")
    if not (1024 <= address.port <= 65535 or address.port == 443):
        raise InvalidRecord("addr", f"port {address.port}: expected 443 or 1024 to 65535")


def _wrapped(ip: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses to which packets for `ip` may be sent; empty for an address that wraps none."""
    sixtofour = (ip.sixtofour,) if ip.sixtofour else ()
    isatap = (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF),) if int(ip) >> 32 & 0xFDFFFFFF == _ISATAP else ()
    return (*sixtofour, *(ip.teredo or ()), *isatap)


def _validate_card(card: Card) -> None:
    _check_text("name", card.name, 64)
    _check_count("ts", card.ts, 0)
    _check_length("addr", card.addr, 0, ADDRESSES_LIMIT)
    for address in card.addr:
        check_address(address)
    if len(card.cert) != 32:
        raise InvalidRecord("cert", "expected 32 bytes")
    if len(card.proof) not in (0, 32):
        raise InvalidRecord("proof", "expected no or 32 bytes")
    _check_length("features", card.features, 0, FEATURES_LIMIT)
    for feature in card.features:
        _check_text("features", feature, 32)
    if len(card.details) not in (0, 8):
        raise InvalidRecord("details", "expected no or 8 bytes")
    _check_count("relayed", card.relayed, 0, 1 << ADDRESSES_LIMIT)
    _check_count("slots", card.slots, 0, SLOTS_LIMIT)
    _check_count("ttl_s", card.ttl_s, 60, 7 * 86400)
    _check_length("agents", card.agents, 0, AGENTS_LIMIT)  # 0: it has no engine (yet) and only asks
    if len({agent.name for agent in card.agents}) != len(card.agents):
        raise InvalidRecord("agents", "expected distinct names")
    for agent in card.agents:
        validate_agent(agent)


def validate_agent(agent: Agent) -> None:
    """Raise InvalidRecord unless what a card holds of an agent is within its bounds."""
    _check_text("agents.name", agent.name, 128)
    _check_text("agents.model", agent.model, 256)
    _check_count("agents.context_tokens", agent.context_tokens, 0, CONTEXT_LIMIT)  # 0: the engine does not say
    _check_length("agents.modalities", agent.modalities, 1, 8)
    for modality in agent.modalities:
        _check_text("agents.modalities", modality, 16)
    _check_length("agents.profiles", agent.profiles, 0, SPACES_LIMIT)
    for space, profile in agent.profiles.items():
        _check_text("agents.profiles", space, 64)
        _check_length("agents.profiles.capability", profile.capability, 1, PROTOTYPES_LIMIT)
        if len(profile.evidence) != len(profile.capability):
            raise InvalidRecord("agents.profiles.evidence", f"expected {len(profile.capability)} counts")
        for count in profile.evidence:
            _check_count("agents.profiles.evidence", count, 0, 2**31)


def _validate_pulse(pulse: Pulse) -> None:
    if len(pulse.word) not in (0, WORD_BYTES):
        raise InvalidRecord("word", f"expected no or {WORD_BYTES} bytes")
    for name in _PULSE_COUNTERS:
        _check_count(name, getattr(pulse, name), 0)
    _check_count("slots", pulse.slots, 0, SLOTS_LIMIT)
    if len(pulse.engines) > ENGINES_LIMIT:
        raise InvalidRecord("engines", f"expected at most {ENGINES_LIMIT}, got {len(pulse.engines)}")
    for counts in pulse.engines:
        for name, count in counts._asdict().items():
            _check_count(f"engines.{name}", count, 0, ENGINE_COUNT_LIMIT)
        _check_count("engines.slots", counts.slots, 0, SLOTS_LIMIT)


_PULSE_COUNTERS = ("running", "waiting", "arrivals", "completions", "busy_ms", "t_ms", "tokens_in", "tokens_out")


def _check_count(field: str, value: int, low: int, high: int = COUNT_LIMIT) -> None:
    if not low <= value < high:
        raise InvalidRecord(field, f"expected {low} to {high - 1}, got {value}")


def _check_length(field: str, value: tuple[object, ...] | bytes | Mapping[str, Profile], low: int, high: int) -> None:
    if not low <= len(value) <= high:
        raise InvalidRecord(field, f"expected {low} to {high} entries, got {len(value)}")


def _check_text(field: str, value: str, limit: int) -> None:
    if not 1 <= len(value) <= limit or not value.isprintable() or value != value.strip():
        raise InvalidRecord(field, f"expected 1 to {limit} printable characters")
