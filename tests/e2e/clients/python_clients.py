"""What one Python client sees of a peer: `python python_clients.py CLIENT URL`, one JSON object on stdout.

Runs in the client's own environment, so it imports nothing of PPAI. A check returns what to show, or raises.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

Checks = dict[str, Callable[[], str]]
HI: Any = [{"role": "user", "content": "Say good morning."}]
TOOL: Any = {
    "name": "weather",
    "description": "Weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Oslo"]}},
        "required": ["city"],
    },
}
# This very tool, so that a small model's answer is a call of the right form whatever it would have said.
CHOICE: Any = {"type": "function", "function": {"name": "weather"}}
CALLING: Any = {"tools": [{"type": "function", "function": TOOL}], "tool_choice": CHOICE, "max_tokens": 100}


def openai_sdk(url: str) -> Checks:
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60)
    chat: Any = client.chat.completions.create

    def refused(error: type[openai.APIStatusError], call: Callable[[], object]) -> str:
        try:
            call()
        except error as caught:
            assert caught.code and caught.request_id, caught
            return f"{error.__name__} `{caught.code}`"
        raise AssertionError("it was answered")

    def or_refused(call: Callable[[], str]) -> str:
        """What the call says, or the error that says that no model here can do this."""
        try:
            return call()
        except openai.UnprocessableEntityError as error:
            return f"{type(error).__name__} `{error.code}`"

    return {
        "models": lambda: _some([model.id for model in client.models.list()]),
        "model by id": lambda: _text(client.models.retrieve("auto").id),
        "chat": lambda: _text(chat(model="auto", messages=HI, max_tokens=8).choices[0].message.content),
        "chat, streamed": lambda: _text(
            "".join(
                c.choices[0].delta.content or "" for c in chat(model="auto", messages=HI, max_tokens=8, stream=True)
            )
        ),
        "tools": lambda: or_refused(
            lambda: _text(
                str(
                    chat(
                        model="auto", messages=HI, max_tokens=8, tools=[{"type": "function", "function": TOOL}]
                    ).choices
                )
            )
        ),
        "a tool is called": lambda: or_refused(
            lambda: _calls(
                [
                    (call.function.name, call.function.arguments)
                    for call in chat(model="auto", messages=HI, **CALLING).choices[0].message.tool_calls
                ]
            )
        ),
        "a tool is called, streamed": lambda: or_refused(
            lambda: _calls(_joined(chat(model="auto", messages=HI, stream=True, **CALLING)))
        ),
        "chat, logprobs": lambda: _some(
            chat(model="auto", messages=HI, max_tokens=4, logprobs=True, top_logprobs=2)
            .choices[0]
            .logprobs.content[0]
            .top_logprobs
        ),
        "chat, the same seed": lambda: _same(
            [
                chat(model="auto", messages=HI, max_tokens=8, seed=7, temperature=1).choices[0].message.content
                for _ in range(2)
            ]
        ),
        "chat, JSON schema": lambda: _text(
            str(
                json.loads(
                    chat(model="auto", messages=HI, max_tokens=40, response_format=_SCHEMA).choices[0].message.content
                )
            )
        ),
        "completions": lambda: _text(
            client.completions.create(model="auto", prompt="Once", max_tokens=8).choices[0].text
        ),
        "completions, streamed": lambda: _text(
            "".join(
                c.choices[0].text
                for c in client.completions.create(model="auto", prompt="Once", max_tokens=8, stream=True)
            )
        ),
        "responses": lambda: _text(client.responses.create(model="auto", input="hi", max_output_tokens=8).output_text),
        "responses, streamed": lambda: _ends_with(
            "response.completed",
            [
                event.type
                for event in client.responses.create(model="auto", input="hi", max_output_tokens=8, stream=True)
            ],
        ),
        "embeddings, which no peer makes": lambda: refused(
            openai.UnprocessableEntityError, lambda: client.embeddings.create(model="auto", input="hi")
        ),
        "an unknown model": lambda: refused(openai.NotFoundError, lambda: chat(model="nobody", messages=HI)),
        "a prompt too long for all": lambda: refused(
            openai.BadRequestError, lambda: chat(model="auto", messages=[{"role": "user", "content": "word " * 40000}])
        ),
    }


_SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "schema": {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]},
    },
}


def langchain(url: str) -> Checks:
    import openai
    from langchain_openai import ChatOpenAI

    def model(**options: Any) -> Any:
        return ChatOpenAI(model="auto", base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60, **options)

    def tools() -> str:
        try:
            reply = model(max_tokens=8).bind_tools([{"type": "function", "function": TOOL}]).invoke("hi")
        except openai.UnprocessableEntityError as error:
            return f"{type(error).__name__} `{error.code}`"
        return _text(reply.content)

    return {
        "chat": lambda: _text(model(max_tokens=8).invoke("Say good morning.").content),
        "chat, streamed": lambda: _text("".join(c.content for c in model(max_tokens=8).stream("Say good morning."))),
        "tools": tools,
        "responses": lambda: _text(model(max_tokens=16, use_responses_api=True).invoke("Say good morning.").text),
    }


def litellm(url: str) -> Checks:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the internet when imported
    import litellm as client

    there: Any = {"model": "openai/auto", "api_base": f"{url}/v1", "api_key": "none", "max_tokens": 8, "num_retries": 0}
    text: Any = {**there, "model": "text-completion-openai/auto"}

    def unknown() -> str:
        try:
            client.completion(messages=HI, **{**there, "model": "openai/nobody"})
        except client.NotFoundError as error:
            return f"NotFoundError {error.status_code}"
        raise AssertionError("it was answered")

    return {
        "chat": lambda: _text(client.completion(messages=HI, **there).choices[0].message.content),
        "chat, streamed": lambda: _text(
            "".join(c.choices[0].delta.content or "" for c in client.completion(messages=HI, stream=True, **there))
        ),
        "completions": lambda: _text(client.text_completion(prompt="Once", **text).choices[0].text),
        "an unknown model": unknown,
    }


def anthropic(url: str) -> Checks:
    import anthropic as sdk

    client = sdk.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=60)

    def streamed() -> str:
        with client.messages.stream(model="auto", messages=HI, max_tokens=8) as stream:
            words = "".join(stream.text_stream)
            assert stream.get_final_message().usage.output_tokens > 0
        return _text(words)

    def unknown() -> str:
        try:
            client.messages.create(model="nobody", messages=HI, max_tokens=8)
        except sdk.NotFoundError as error:
            return f"NotFoundError {error.status_code}"
        raise AssertionError("it was answered")

    return {
        "messages": lambda: _text(client.messages.create(model="auto", messages=HI, max_tokens=8).content[0].text),
        "messages, streamed": streamed,
        "messages, count tokens": lambda: _text(
            str(client.messages.count_tokens(model="auto", messages=HI).input_tokens)
        ),
        "an unknown model": unknown,
    }


CLIENTS = {
    "openai": (openai_sdk, "openai"),
    "langchain-openai": (langchain, "langchain-openai"),
    "litellm": (litellm, "litellm"),
    "anthropic": (anthropic, "anthropic"),
}


def _joined(chunks: Any) -> list[tuple[str, str]]:
    """(name, arguments) of each call in a stream, put together from its pieces as applications do it."""
    calls: dict[int, list[str]] = {}
    for chunk in chunks:
        for piece in chunk.choices[0].delta.tool_calls or () if chunk.choices else ():
            call = calls.setdefault(piece.index, ["", ""])
            call[0] += piece.function.name or ""
            call[1] += piece.function.arguments or ""
    return [(name, arguments) for name, arguments in calls.values()]


def _calls(calls: list[tuple[str, str]]) -> str:
    """The tool by its name, with whole arguments. What they say is the model's: vLLM holds this one to JSON only."""
    assert calls, "no call"
    for name, arguments in calls:
        assert name == "weather", calls
        json.loads(arguments)
    return "ok"


def _same(answers: list[str]) -> str:
    assert answers[0] == answers[1] != "", answers
    return "ok"


def _text(words: str | None) -> str:
    assert words, "no words"
    return "ok"


def _some(items: list[Any]) -> str:
    assert items, "nothing"
    return "ok"


def _ends_with(last: str, names: list[str]) -> str:
    assert names[-1] == last, names
    return "ok"


def _seen(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:
        return f"failed: {type(error).__name__}: {error}"[:300]


def main() -> None:
    checks_of, package = CLIENTS[sys.argv[1]]
    checks = checks_of(sys.argv[2])
    print(json.dumps({"version": version(package), "seen": {name: _seen(check) for name, check in checks.items()}}))


if __name__ == "__main__":
    main()
