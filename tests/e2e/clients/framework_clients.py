"""What one Python framework sees of a peer: `python framework_clients.py FRAMEWORK URL`, one JSON object on stdout.

Runs in the framework's own environment, so it imports nothing of PPAI. A check returns what to show, or raises.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

Checks = dict[str, Callable[[], str]]
ASK = "Say good morning."
KEY: Any = "none"
os.environ |= {  # what they send home or look up by themselves
    "OPENAI_API_KEY": KEY,
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "DSPY_CACHEDIR": tempfile.mkdtemp(),
    "LLM_USER_PATH": tempfile.mkdtemp(),
    "NO_PROXY": "*",
}
FRAMEWORKS: dict[str, tuple[Callable[[str], Checks], str]] = {}


def framework(name: str, package: str) -> Callable[[Callable[[str], Checks]], Callable[[str], Checks]]:
    def add(checks: Callable[[str], Checks]) -> Callable[[str], Checks]:
        FRAMEWORKS[name] = checks, package
        return checks

    return add


def weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: its name
    """
    return f"It rains in {city}."


@framework("llama-index", "llama-index-llms-openai-like")
def llama_index(url: str) -> Checks:
    from llama_index.core.llms import ChatMessage
    from llama_index.core.tools import FunctionTool
    from llama_index.llms.openai_like import OpenAILike

    def llm(model: str = "auto") -> Any:
        return OpenAILike(
            model=model, api_base=f"{url}/v1", api_key=KEY, is_chat_model=True, is_function_calling_model=True,
            max_tokens=8, max_retries=0, timeout=60,
        )  # fmt: skip

    def call() -> str:
        tools = [FunctionTool.from_defaults(weather)]
        reply = llm().chat_with_tools(tools, user_msg=ASK)
        return _called([(call.tool_name, call.tool_kwargs) for call in llm().get_tool_calls_from_response(reply)])

    hello = [ChatMessage(role="user", content=ASK)]
    return {
        "chat": lambda: _said(llm().chat(hello).message.content),
        "chat, streamed": lambda: _streamed(piece.delta for piece in llm().stream_chat(hello)),
        "a tool is called": lambda: _or_refused(call),
        "an unknown model": lambda: _refused(lambda: llm("nobody").chat(hello)),
    }


@framework("pydantic-ai", "pydantic-ai-slim")
def pydantic_ai(url: str) -> Checks:
    from pydantic import BaseModel
    from pydantic_ai import Agent, NativeOutput
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    class Answer(BaseModel):
        yes: bool

    def agent(name: str = "auto", **options: Any) -> Any:
        model = OpenAIChatModel(name, provider=OpenAIProvider(base_url=f"{url}/v1", api_key=KEY))
        return Agent(model, model_settings={"max_tokens": 200}, retries=0, **options)

    async def stream() -> str:
        async with agent().run_stream(ASK) as stream:
            return "".join([piece async for piece in stream.stream_text(delta=True)])

    return {
        "chat": lambda: _said(agent().run_sync(ASK).output),
        "chat, streamed": lambda: _said(asyncio.run(stream())),
        "chat, JSON schema": lambda: _yes(agent(output_type=NativeOutput(Answer)).run_sync(ASK).output.yes),
        "an agent with a tool": lambda: _or_refused(
            lambda: _used(agent(tools=[weather]).run_sync(ASK).all_messages_json().decode())
        ),
        "an unknown model": lambda: _refused(lambda: agent("nobody").run_sync(ASK)),
    }


@framework("instructor", "instructor")
def instructor(url: str) -> Checks:
    import instructor as client
    import openai
    from pydantic import BaseModel

    class Answer(BaseModel):
        yes: bool

    def ask(mode: Any, model: str = "auto") -> Any:
        sdk = client.from_openai(openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0), mode=mode)
        return sdk.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": ASK}],
            response_model=Answer,
            max_retries=0,
            max_tokens=200,
        ).yes

    return {
        "chat, JSON schema": lambda: _yes(ask(client.Mode.JSON_SCHEMA)),
        "a tool is called": lambda: _or_refused(lambda: _yes(ask(client.Mode.TOOLS))),
        "an unknown model": lambda: _refused(lambda: ask(client.Mode.JSON_SCHEMA, "nobody")),
    }


@framework("openai-agents", "openai-agents")
def openai_agents(url: str) -> Checks:
    import openai
    from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool

    def agent(name: str = "auto", model: Any = OpenAIChatCompletionsModel, **options: Any) -> Any:
        sdk = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0)
        settings = ModelSettings(max_tokens=8)
        return Agent("ada", model=model(model=name, openai_client=sdk), model_settings=settings, **options)

    async def stream() -> str:
        events = [event async for event in Runner.run_streamed(agent(), ASK).stream_events()]
        return _some([event for event in events if event.type == "raw_response_event"])

    return {
        "chat": lambda: _said(Runner.run_sync(agent(), ASK).final_output),
        "chat, streamed": lambda: asyncio.run(stream()),
        "an agent with a tool": lambda: _or_refused(
            lambda: _used(str(Runner.run_sync(agent(tools=[function_tool(weather)]), ASK).to_input_list()))
        ),
        "responses": lambda: _or_refused(
            lambda: _said(Runner.run_sync(agent(model=OpenAIResponsesModel), ASK).final_output), 404
        ),
        "an unknown model": lambda: _refused(lambda: Runner.run_sync(agent("nobody"), ASK)),
    }


@framework("smolagents", "smolagents")
def smolagents(url: str) -> Checks:
    from smolagents import ChatMessage, OpenAIModel, ToolCallingAgent

    hello = [ChatMessage(role="user", content=[{"type": "text", "text": ASK}])]

    def model(name: str = "auto", **options: Any) -> Any:
        sdk = {"max_retries": 0, "timeout": 60}
        return OpenAIModel(
            name, api_base=f"{url}/v1", api_key=KEY, client_kwargs=sdk, max_tokens=8, retry=False, **options
        )

    def agent() -> str:
        done = ToolCallingAgent(tools=[], model=model(), max_steps=1, verbosity_level=0).run(ASK)
        return _said(str(done))

    return {
        "chat": lambda: _said(model()(hello).content),
        "chat, streamed": lambda: _streamed(piece.content for piece in model().generate_stream(hello)),
        "an agent with a tool": lambda: _or_refused(agent),
        "an unknown model": lambda: _refused(lambda: model("nobody")(hello)),
    }


@framework("haystack", "haystack-ai")
def haystack(url: str) -> Checks:
    from haystack.components.agents import Agent
    from haystack.components.generators.chat import OpenAIChatGenerator
    from haystack.dataclasses import ChatMessage
    from haystack.tools import create_tool_from_function
    from haystack.utils import Secret

    hello = [ChatMessage.from_user(ASK)]

    def generator(model: str = "auto", **options: Any) -> Any:
        return OpenAIChatGenerator(
            Secret.from_token(KEY), model, api_base_url=f"{url}/v1", max_retries=0, timeout=60,
            generation_kwargs={"max_tokens": 8}, **options,
        )  # fmt: skip

    def stream() -> str:
        pieces: list[str] = []
        generator(streaming_callback=lambda chunk: pieces.append(chunk.content)).run(hello)
        return _streamed(pieces)

    def agent() -> str:
        tools = [create_tool_from_function(weather)]
        return _used(str(Agent(chat_generator=generator(), tools=tools).run(messages=hello)["messages"]))

    return {
        "chat": lambda: _said(generator().run(hello)["replies"][0].text),
        "chat, streamed": stream,
        "an agent with a tool": lambda: _or_refused(agent),
        "an unknown model": lambda: _refused(lambda: generator("nobody").run(hello)),
    }


@framework("semantic-kernel", "semantic-kernel")
def semantic_kernel(url: str) -> Checks:
    import openai
    from semantic_kernel.agents import ChatCompletionAgent
    from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion, OpenAIChatPromptExecutionSettings
    from semantic_kernel.contents import ChatHistory
    from semantic_kernel.functions import kernel_function

    settings = OpenAIChatPromptExecutionSettings(max_tokens=8)

    def service(model: str = "auto") -> Any:
        sdk = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0)
        return OpenAIChatCompletion(ai_model_id=model, async_client=sdk)

    def hello() -> Any:
        history = ChatHistory()
        history.add_user_message(ASK)
        return history

    async def chat(model: str = "auto") -> str:
        return str((await service(model).get_chat_message_contents(hello(), settings))[0].content)

    async def stream() -> list[str]:
        return [
            piece.content
            async for pieces in service().get_streaming_chat_message_contents(hello(), settings)
            for piece in pieces
        ]

    class Tools:
        def __init__(self) -> None:
            self.asked: list[str] = []

        @kernel_function
        def weather(self, city: str) -> str:
            """The weather of a city."""
            self.asked.append(city)
            return weather(city)

    async def agent() -> str:
        tools = Tools()
        await ChatCompletionAgent(service=service(), name="ada", plugins=[tools]).get_response(messages=ASK)
        return _some(tools.asked)

    return {
        "chat": lambda: _said(asyncio.run(chat())),
        "chat, streamed": lambda: _streamed(asyncio.run(stream())),
        "an agent with a tool": lambda: _or_refused(lambda: asyncio.run(agent())),
        "an unknown model": lambda: _refused(lambda: asyncio.run(chat("nobody"))),
    }


@framework("dspy", "dspy")
def dspy(url: str) -> Checks:
    import dspy as client

    def model(name: str = "auto") -> Any:
        return client.LM(f"openai/{name}", api_base=f"{url}/v1", api_key=KEY, cache=False, num_retries=0, max_tokens=8)

    return {
        "chat": lambda: _said(model()(ASK)[0]),
        "completions": lambda: _said(
            client.LM(
                "text-completion-openai/auto", model_type="text", api_base=f"{url}/v1", api_key=KEY, cache=False,
                num_retries=0, max_tokens=8,
            )(ASK)[0]
        ),
        "an unknown model": lambda: _refused(lambda: model("nobody")(ASK)),
    }  # fmt: skip


@framework("llm, the command", "llm")
def llm_command(url: str) -> Checks:
    import subprocess

    names = [
        {"model_id": name, "model_name": name, "api_base": f"{url}/v1", "can_stream": True}
        for name in ("auto", "nobody")
    ]
    (Path(os.environ["LLM_USER_PATH"]) / "extra-openai-models.yaml").write_text(json.dumps(names))  # JSON is YAML
    command = [str(Path(sys.executable).with_name("llm")), "--key", KEY, "-o", "max_tokens", "8"]

    def llm(*options: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*command, *options, ASK], capture_output=True, text=True, timeout=60)

    def unknown() -> str:
        done = llm("-m", "nobody")
        assert done.returncode and "Error code: 404" in done.stderr, done
        return "Error code: 404"

    return {
        "chat": lambda: _printed(llm("-m", "auto", "--no-stream")),
        "chat, streamed": lambda: _printed(llm("-m", "auto")),
        "an unknown model": unknown,
    }


@framework("ollama, its own API", "ollama")
def ollama(url: str) -> Checks:
    import ollama as client

    def asked(call: Callable[[Any], object], path: str) -> str:
        try:
            call(client.Client(host=url))
        except client.ResponseError as error:
            assert f"did you mean {url}{path}?" in str(error.error), error.error
            return f"ResponseError {error.status_code} `did you mean {path}`"
        raise AssertionError("it was answered")

    hello = [{"role": "user", "content": ASK}]
    return {
        "models": lambda: asked(lambda c: c.list(), "/v1/models"),
        "chat": lambda: asked(lambda c: c.chat("auto", hello), "/v1/chat/completions"),
        "chat, streamed": lambda: asked(lambda c: list(c.chat("auto", hello, stream=True)), "/v1/chat/completions"),
    }


def _said(words: object) -> str:
    """An answer came, in words. Which words, and how many, is the model's."""
    assert isinstance(words, str), words
    return "ok"


def _streamed(pieces: Any) -> str:
    """Words came in pieces."""
    got = list(pieces)
    assert got, "no piece"
    assert all(piece is None or isinstance(piece, str) for piece in got), got
    return "ok"


def _yes(value: object) -> str:
    assert isinstance(value, bool), value
    return "ok"


def _some(items: list[Any]) -> str:
    assert items, "nothing"
    return "ok"


def _called(calls: list[tuple[str, Any]]) -> str:
    assert [("weather", {"city": "Oslo"})] == calls, calls
    return "ok"


def _used(history: str) -> str:
    """The tool ran, and what it found stands in the conversation."""
    assert "It rains in Oslo." in history, history
    return "ok"


def _printed(done: Any) -> str:
    assert 0 == done.returncode, done.stderr
    return "ok"


def _status(error: BaseException | None) -> int | None:
    """The HTTP status in an exception or in one that it was raised from."""
    seen = 0
    while error is not None and seen < 8:
        for name in ("status_code", "http_status", "code"):
            if isinstance(status := getattr(error, name, None), int):
                return status
        error, seen = error.__cause__ or error.__context__, seen + 1
    return None


def _refused(call: Callable[[], object], status: int = 404) -> str:
    """What the framework raises where PPAI answers with this status."""
    try:
        call()
    except Exception as error:
        if _status(error) != status and "does not exist on this network" not in str(error):  # dspy keeps the words
            raise
        return f"{type(error).__name__} {status}"
    raise AssertionError("it was answered")


def _or_refused(call: Callable[[], str], status: int = 422) -> str:
    """What the check says, or how the framework is told that no model (422), or no engine (404), here can do this."""
    try:
        return call()
    except Exception as error:
        if _status(error) != status and str(status) not in str(error):
            raise
        return f"{type(error).__name__} {status}"


def _seen(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:
        return f"failed: {type(error).__name__}: {error}"[:300]


def main() -> None:
    checks_of, package = FRAMEWORKS[sys.argv[1]]
    checks = checks_of(sys.argv[2])
    print(json.dumps({"version": version(package), "seen": {name: _seen(check) for name, check in checks.items()}}))


if __name__ == "__main__":
    main()
