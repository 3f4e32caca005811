"""The quick starts of docs/start.md, run as they stand: each machine is a home on this one."""

import asyncio
import os
import re
import shlex
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.fakes import ScriptedEngine, free_port
from tests.test_start import blocks, commands

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="pexpect's terminals are Unix's"),
]
READY_S = 30.0
BIN = Path(sys.executable).parent
VPN = {"ada": "100.64.0.1:8471", "ben": "100.64.0.2:8471"}  # what the page calls their addresses
WITH_ENGINE = {"ada", "box"}


class Machine:
    """A home, its ports, and what its terminals showed."""

    def __init__(self, name: str, folder: Path, engine: str) -> None:
        self.name, self.client, self.peer = name, free_port(), free_port()
        own = {
            "PPAI_HOME": str(folder / name), "PPAI_NAME": name, "PPAI_NETWORK_MDNS": "false",
            "PPAI_PROFILE_AUTO": "off", "PPAI_CLIENT_PORT": str(self.client),
            "PPAI_PEER_PORT": str(self.peer), "PPAI_PEER_HOST": "127.0.0.1",
            "PPAI_ENGINE_URL": engine if name in WITH_ENGINE else "none", "NO_COLOR": "1", "COLUMNS": "240",
        }  # fmt: skip
        self.env = {**os.environ, **own, "PATH": f"{BIN}:{os.environ['PATH']}"}
        self._serving: list[asyncio.subprocess.Process] = []

    async def run(self, command: str) -> str:
        """What it printed; `ppai serve` goes on in the background once it can answer."""
        words = shlex.split(command)
        if words[:2] == ["ppai", "serve"]:
            quiet = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
            self._serving.append(await asyncio.create_subprocess_exec(*words, env=self.env, **quiet))
            await self._listens()
            return ""
        done = await asyncio.create_subprocess_exec(
            *words, env=self.env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said = (await done.communicate())[0].decode()
        assert 0 == done.returncode, f"{self.name}$ {command}\n{said}"
        return said

    async def _listens(self) -> None:
        async with asyncio.timeout(READY_S), aiohttp.ClientSession() as http:
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{self.client}/ready") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        for process in self._serving:
            process.terminate()
            await process.wait()


@contextmanager
def an_engine() -> Iterator[str]:
    with ScriptedEngine(answer=lambda body: "97 is one.").serving_beside() as engine:
        yield engine.url


@asynccontextmanager
async def machines(folder: Path, names: set[str], engine: str) -> AsyncIterator[dict[str, Machine]]:
    made = {name: Machine(name, folder, engine) for name in sorted(names)}
    try:
        yield made
    finally:
        for machine in made.values():
            await machine.stop()


@pytest.mark.parametrize(
    "section", ["Two laptops", "A box with a GPU, and laptops without", "You have Ollama", "A team on a VPN"]
)
async def test_a_quick_start_leads_to_an_answer(section: str, tmp_path: Path) -> None:
    """The words that the page leaves open are filled in: the line of an invitation, the secret, the addresses."""
    todo = commands(section)
    with an_engine() as engine:
        async with machines(tmp_path, {machine for machine, _ in todo}, engine) as at:
            line = secret = said = shown = ""
            for machine, command in todo:
                for name, address in VPN.items():
                    if name in at:
                        command = command.replace(address, f"127.0.0.1:{at[name].peer}")
                for stands_for in ("http://127.0.0.1:8000", "http://127.0.0.1:11434"):
                    command = command.replace(stands_for, engine)
                command = command.replace("127.0.0.1:8470", f"127.0.0.1:{at[machine].client}")
                said = await at[machine].run(command.replace("LINE", line).replace("SECRET", secret))
                shown += f"{machine}$ {command}\n{said}"
                line = (re.findall(r"PPAI1:\S+", said) or [line])[-1]
                secret = (re.findall(r"^[0-9a-f]{32}$", said, re.M) or [secret])[-1]

    assert "97 is one." in said
    for line in (line for language, _, text in blocks(section) if language == "text" for line in text.splitlines()):
        found = re.search("^" + ".*".join(map(re.escape, line.split("..."))) + "$", shown, re.M)
        assert found, f"`{line}` is not in, or not after what the page shows before it:\n{shown}"
        shown = shown[found.end() :]
