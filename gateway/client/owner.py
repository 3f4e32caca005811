"""What only the owner of the home may do: approve, revoke and invite peers, join one, publish what an agent was
measured to be good at, read the route log, see who may use a personal agent.

The token lies in the home's running.json, which that user alone can read.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from starlette.requests import Request

from discovery.admission import AdmissionError
from discovery.invites import InviteError, rights_of
from discovery.join_messages import InvalidLine
from discovery.names import AmbiguousPeer, PeerNameError
from discovery.records import Agent, PeerId, printable
from gateway.agent.owned.consent import unmeant
from gateway.client.calls import Calls, Needs, read_bytes, read_json
from gateway.client.running import RunningPeer
from gateway.client.views import invite_row
from gateway.peering.invitations import Invitation, JoinFailed, Terms
from gateway.peering.network import NetworkConfigError
from gateway.trust.tab import Account, Tab
from gateway.wire.errors import InvalidRequest

if TYPE_CHECKING:
    from gateway.agent.agent import PersonalAgent

LOOKERS = 32  # peers that are asked at once to dial us back


class _Who(msgspec.Struct):
    who: str
    mine: bool | None = None  # of who is approved: whether it is the owner's own machine
    relay: bool | None = None  # whether it may be reached through this peer


class _Which(msgspec.Struct):
    agent: str


class _Invite(msgspec.Struct):
    expires_s: float
    rights: list[str]
    label: str | None = msgspec.field(name="for", default=None)
    pin: bool = False
    mine: bool = False
    secret: bool = False
    qr: bool = False  # the line as the rows of a QR code, too


class _Uninvite(msgspec.Struct):
    who: str | None  # None: all


class _Join(msgspec.Struct):
    rights: list[str]
    line: str = ""
    pin: str = ""
    at: list[str] = []
    mine: bool = False
    secret: bool = False


class _Sharing(msgspec.Struct):
    do: Literal["pause", "resume", "drain"]
    seconds: Annotated[float, msgspec.Meta(gt=0, le=366 * 86400)] | None = None  # of a pause; None: until resumed


def owner_only(peer: RunningPeer) -> Needs:
    """What a call needs that wants the owner's token. It raises InvalidRequest (401)."""

    def check_owner(request: Request) -> None:
        if not is_from_owner(peer, request):
            raise InvalidRequest(
                "this call is the owner's: send the token of the peer's running.json as a bearer token; "
                "for the page, run `ppai open`",
                status=401,
                code="not_the_owner",
            )

    return check_owner


def is_from_owner(peer: RunningPeer, request: Request) -> bool:
    """Whether it bears the owner's token, or that of a page that he let in."""
    return peer.entry.is_owner(request.headers.get("authorization", "").removeprefix("Bearer "))


def add_owner_calls(calls: Calls, peer: RunningPeer) -> None:
    owners = owner_only(peer)
    _add_calls_on_sharing(calls, peer, owners)
    _add_calls_on_joining(calls, peer, owners)
    _add_calls_on_agents(calls, peer, owners)

    @calls.get("/ppai/v1/events", owners)
    async def events(_: Request) -> list[dict[str, object]]:
        """The lines of route.jsonl, which nobody else may read either: when, of whom and how much the owner asks."""
        return peer.route_log.tail

    @calls.post("/ppai/v1/look", owners)
    async def look(_: Request) -> list[dict[str, Any]]:
        """Other peers dial us back now, each once a minute: what every one of them found."""
        return await looks_of(peer)

    @calls.get("/ppai/v1/tabs", owners)
    async def tabs(_: Request) -> list[dict[str, Any]]:
        """What each other peer and we gave each other, who weighs the most first."""
        rows = [tab_row(peer, other, tab) for other, tab in peer.settling.tabs.all().items()]
        return sorted(rows, key=lambda row: (-row["weight"], row["id"]))


async def looks_of(peer: RunningPeer) -> list[dict[str, Any]]:
    """What other peers find who dial this one back, once they have been asked to."""
    looks = peer.network.looks
    await looks.ask(looks.lookers()[:LOOKERS])
    return looks.rows(looks.others()[:LOOKERS])


def _add_calls_on_sharing(calls: Calls, peer: RunningPeer, owners: Needs) -> None:
    """Who may ask and answer, and whether others get anything now."""

    @calls.post("/ppai/v1/approve", owners)
    async def approve(request: Request) -> dict[str, Any]:
        return await _change_rights(
            peer, request, lambda asked: peer.network.approve(asked.who, asked.mine, asked.relay)
        )

    @calls.post("/ppai/v1/revoke", owners)
    async def revoke(request: Request) -> dict[str, Any]:
        return await _change_rights(peer, request, lambda asked: peer.network.revoke(asked.who))

    @calls.post("/ppai/v1/sharing", owners)
    async def sharing(request: Request) -> dict[str, Any]:
        """Others get nothing (for a while, or until this peer ends), or may again; at once."""
        asked = await read_json(request, _Sharing)
        try:
            if asked.do == "pause":
                peer.sharing.pause(asked.seconds)
            elif asked.do == "drain":
                peer.sharing.drain()
            else:
                peer.sharing.resume()
        except OSError as error:
            said = f"it holds until this peer ends, and could not be written: {error.strerror}"
            raise InvalidRequest(said, status=507, code="not_kept") from error
        finally:
            peer.doors.admit_waiting()
        return {"kept_shut": peer.sharing.why() or None, "remote_running": peer.doors.load.remote_running}

    @calls.post("/ppai/v1/stop", owners)
    async def stop(_: Request) -> dict[str, Any]:
        """This peer ends as on SIGTERM: it says goodbye, answers in progress get a few seconds."""
        peer.stop()
        return {"stopping": True}


def _add_calls_on_joining(calls: Calls, peer: RunningPeer, owners: Needs) -> None:
    """Invitations that were made, and one that is taken."""

    @calls.get("/ppai/v1/invites", owners)
    async def invites(_: Request) -> list[dict[str, Any]]:
        return [invite_row(invite) for invite in peer.invitations.inviting.all()]

    @calls.post("/ppai/v1/invite", owners)
    async def invite(request: Request) -> dict[str, Any]:
        asked = await read_json(request, _Invite)
        label = printable(asked.label or "", 64)
        with _told(param="invite"):
            rights = rights_of(asked.rights)
            offer = peer.invitations.inviting.invite(
                label, rights, asked.expires_s, pin=asked.pin, mine=asked.mine, gives_secret=asked.secret
            )
        where = [str(address) for address in peer.network.addresses()]
        code = {"qr": _qr(offer.text)} if asked.qr and not asked.pin else {}
        return {"pin" if asked.pin else "line": offer.text, **code, **invite_row(offer.invite), "addresses": where}

    @calls.post("/ppai/v1/uninvite", owners)
    async def uninvite(request: Request) -> list[dict[str, Any]]:
        asked = await read_json(request, _Uninvite)
        with _told(param="who", status=404):
            return [invite_row(invite) for invite in peer.invitations.inviting.withdraw(asked.who)]

    @calls.post("/ppai/v1/join", owners)
    async def join(request: Request) -> dict[str, Any]:
        asked = await read_json(request, _Join)
        with _told(param="line" if asked.line else "pin"):
            terms = Terms(rights_of(asked.rights), asked.mine, asked.secret)
            friend = await peer.invitations.join(Invitation.read(asked.line, asked.pin, asked.at), terms)
        return {"peer": friend.peer, "name": friend.name, "rights": list(friend.rights), "say": list(friend.say)}


def _add_calls_on_agents(calls: Calls, peer: RunningPeer, owners: Needs) -> None:
    """What our agents are, and what they were measured to be good at."""

    @calls.post("/ppai/v1/profile", owners)
    async def profile(request: Request) -> dict[str, Any]:
        gate = peer.dispatcher.decider.reader.gate
        peer.profiles.publish(await read_bytes(request), gate.space, gate.K, peer.measuring.makes())
        peer.cards_changed()
        return {"published": True, "seq": peer.network.version}

    @calls.post("/ppai/v1/domain", owners)
    async def domain(request: Request) -> dict[str, Any]:
        found = await peer.measuring.fold_now((await read_json(request, _Which)).agent)
        return {**asdict(found), "seq": peer.network.version}

    @calls.get("/ppai/v1/agents", owners)
    async def agents(_: Request) -> list[dict[str, Any]]:
        return _agent_rows(peer)

    @calls.post("/ppai/v1/agents/topics", owners)
    async def topics(request: Request) -> dict[str, Any]:
        found = await peer.measuring.coming((await read_json(request, _Which)).agent)
        return {
            "own": len(found.own), "missed": list(found.missed),
            "others": len(found.others), "strays": list(found.strays),
        }  # fmt: skip

    @calls.post("/ppai/v1/agents/look", owners)
    async def look(_: Request) -> list[dict[str, Any]]:
        if await peer.personal.look():
            peer.cards_changed()
        return _agent_rows(peer)


def _qr(line: str) -> list[str]:
    """The rows of its QR code, of 0 and 1, with the margin of four that cameras look for."""
    import segno

    return ["".join(map(str, map(int, map(bool, row)))) for row in segno.make(line, error="l").matrix_iter(border=4)]


@contextmanager
def _told(*, param: str, status: int = 400) -> Iterator[None]:
    """Tell what is wrong with an invitation: 403 where it is no good, 502 where who invited cannot be reached."""
    try:
        yield
    except JoinFailed as error:
        code = ("invitation_refused", 403) if error.is_refusal else ("inviter_unreachable", 502)
        raise InvalidRequest(str(error), status=code[1], param=param, code=code[0]) from error
    except (InviteError, InvalidLine, NetworkConfigError, AdmissionError) as error:
        raise InvalidRequest(str(error), status=status, param=param, code="invitation_invalid") from error


async def _change_rights(
    peer: RunningPeer, request: Request, change: Callable[[_Who], Awaitable[PeerId]]
) -> dict[str, Any]:
    asked = await read_json(request, _Who)
    try:
        changed = await change(asked)
    except AmbiguousPeer as error:
        raise InvalidRequest(str(error), status=409, param="who", code="peer_ambiguous") from error
    except (AdmissionError, PeerNameError) as error:
        raise InvalidRequest(str(error), status=404, param="who", code="peer_not_found") from error
    peer.cards_changed()  # what each peer may use of our agents
    return {
        "peer": changed,
        "name": peer.network.name_of(changed),
        "rights": sorted(peer.network.admission.rights(changed)),
        "mine": peer.network.admission.is_mine(changed),
        "relay": peer.network.admission.may_relay(changed),
    }


def _agent_rows(peer: RunningPeer) -> list[dict[str, Any]]:
    """Every agent that has a file, by name; `problem` says why it is not served."""
    served = {agent.name: agent for agent in peer.node.own_agents if agent.kind == "agent"}
    personal = peer.personal
    rows = [
        _agent_row(peer, agent, served.get(name), personal.unserved.get(name) or peer.doors.problem)
        for name, agent in personal.agents.items()
    ]
    return rows + [{"name": name, "served": False, "problem": problem} for name, problem in personal.unread.items()]


def _agent_row(peer: RunningPeer, agent: "PersonalAgent", served: Agent | None, problem: str | None) -> dict[str, Any]:
    settings, others = agent.settings, peer.other_peers()
    may = [other for other in others.approved if peer.personal.may_use(agent.name, other, others)]
    return {
        "name": agent.name,
        "description": settings.description,
        "served": served is not None,
        "problem": None if served else problem or "no engine answers",
        "use": list(settings.use),
        "peers": [{"id": other, "name": others.approved[other]} for other in may],  # those that may use it
        "in_card": agent.name not in peer.personal.not_for_all,  # so that whoever hears of this peer reads its name
        "shown": _shown(served) if served else None,
        "not_working": [
            *peer.personal.problems_of(agent.name),
            *unmeant(settings.use, others),
        ],  # what of it does not, while the rest does
        "documents": peer.personal.progress_of(agent.name) or None,
        "tools": [tool.name for tool in agent.acts.offered(is_own=True)] if agent.acts else [],
    }


def _shown(served: Agent) -> dict[str, Any]:
    """What those who may use an agent are told of it."""
    return {
        "name": served.name,
        "model": served.base,
        "description": served.description,
        "context_tokens": served.context_tokens,
        "tools": list(served.tools),
        "topics": list(served.topics),
    }


def tab_row(peer: RunningPeer, other: PeerId, tab: Tab) -> dict[str, Any]:
    """What another peer and we gave each other."""
    settling, network = peer.settling, peer.network
    weight = settling.weight(other)
    return {
        "id": other,
        "name": network.name_of(other) or network.transport.remembered_names().get(other),
        "mine": network.admission.is_mine(other),
        "got": _account(tab.got),
        "given": _account(tab.given),
        "weight": round(weight, 4),
        "newcomer": not weight,
        "exposure": round(settling.exposure(other)),
    }


def _account(account: Account) -> dict[str, Any]:
    """One side: what we counted, and what both signed."""
    signed = account.signed
    return {
        "answers": account.sums.answers,
        "prompt_tokens": account.sums.prompt_tokens,
        "tokens": account.sums.tokens,
        "signed": signed and {
            "answers": signed.statement.sums.answers,
            "prompt_tokens": signed.statement.sums.prompt_tokens,
            "tokens": signed.statement.sums.tokens,
            "at": signed.statement.at,
        },
    }  # fmt: skip
