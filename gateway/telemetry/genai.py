"""What OpenTelemetry's conventions for generative AI call things, and the bounds of their histograms (P).

The conventions are in development and move: this is the one file that has their names. As of
open-telemetry/semantic-conventions-genai, commit 004902b (2026-07).
"""

# Bounds in seconds. Those of the conventions come first, as they are; we answer more slowly and more quickly than they
# foresee, so a few more stand around them. Who adds up the buckets of the conventions finds each of them here.
TIME_TO_FIRST_TOKEN = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TIME_PER_OUTPUT_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)

FIRST_TOKEN_BOUNDS_S = (*TIME_TO_FIRST_TOKEN, 20.0, 40.0, 80.0, 160.0, 300.0)  # client.first_token_timeout_s: 300
TOKEN_BOUNDS_S = (0.001, 0.0025, 0.005, *TIME_PER_OUTPUT_TOKEN)
DURATION_BOUNDS_S = (*DURATION, 163.84, 327.68, 655.36)  # client.answer_timeout_s: 600

OPERATION_OF = {"chat/completions": "chat", "responses": "chat", "messages": "chat", "completions": "text_completion"}
PPAI = "ppai"  # the provider's name where another peer answers; our own engine's is its family, such as vllm

# Attributes.
OPERATION, PROVIDER = "gen_ai.operation.name", "gen_ai.provider.name"
REQUEST_MODEL, RESPONSE_MODEL = "gen_ai.request.model", "gen_ai.response.model"
IS_STREAM, FIRST_CHUNK_S = "gen_ai.request.stream", "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS, OUTPUT_TOKENS = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
TOKEN_TYPE, ERROR = "gen_ai.token.type", "error.type"

# Metrics. Those of a client are of attempts, ours and other peers'; those of a server of what we ran for other peers.
# `time_per_output_chunk` is left out: nobody here looks at the clock at each chunk.
CLIENT_DURATION, CLIENT_TOKENS = "gen_ai.client.operation.duration", "gen_ai.client.token.usage"
CLIENT_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
SERVER_DURATION, SERVER_FIRST_TOKEN = "gen_ai.server.request.duration", "gen_ai.server.time_to_first_token"
SERVER_PER_TOKEN = "gen_ai.server.time_per_output_token"
TOKENS = tuple(4**power for power in range(14))


def operation(endpoint: str) -> str:
    """The conventional name of what an endpoint does; its own name where there is none."""
    return OPERATION_OF.get(endpoint, endpoint)
