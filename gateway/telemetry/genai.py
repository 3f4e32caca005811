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
