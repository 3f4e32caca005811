# One PPAI peer with the embedded engine's model and the encoder inside: it needs no network to start.
# Needs BuildKit (the default since Docker 23) for the cache mounts.

# A tag may be moved to another content, a digest cannot. `docker buildx imagetools inspect python:3.12-slim-trixie` prints
# today's; build with --build-arg PYTHON_IMAGE=python:3.12-slim-trixie@sha256:... to have that image and no other.
ARG PYTHON_IMAGE=python:3.12-slim-trixie

# --- build: the packages, in a virtual environment that is copied as one folder
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src

# For `strip`, in this stage alone.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*

# Dependencies before sources: this layer changes only with the two files that name them, each with its sha256. Tables for a
# debugger, which two wheels carry, and packages' own tests are a fifth of it, and nobody needs them here.
COPY constraints.txt constraints-build.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /opt/ppai/venv \
    && /opt/ppai/venv/bin/python -m pip install --only-binary=:all: --require-hashes --no-deps -r constraints.txt \
    && find /opt/ppai/venv \( -path '*/xllamacpp/*.so' -o -path '*/uvloop/*.so' \) -exec strip --strip-unneeded {} + \
    && find /opt/ppai/venv \( -path '*/onnx/backend/test' -o -path '*/numpy/*/tests' \) -prune -exec rm -rf {} + \
    && python -m pip install --only-binary=:all: --require-hashes --no-deps -r constraints-build.txt

COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY docs/operations.md docs/protocol.md docs/clients.md docs/glossary.md docs/
COPY discovery discovery
COPY profiler profiler
COPY gateway gateway
# Built with the pinned hatchling beside it; build isolation would fetch whichever is newest. `pip check` finds what
# pyproject.toml wants and constraints.txt lacks.
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/ppai/venv/bin/python -m pip install --no-cache-dir --no-deps /wheels/ppai-*.whl \
    && /opt/ppai/venv/bin/python -m pip check

# --- weights: what `ppai pull` fetches (190 MB), each file checked against its sha256
FROM build AS weights
# The cache mount keeps the files over changes of our sources: a rebuild checks them and downloads nothing.
RUN --mount=type=cache,target=/var/cache/ppai-weights \
    PPAI_WEIGHTS=/var/cache/ppai-weights /opt/ppai/venv/bin/ppai pull smollm2 encoder \
    && mkdir -p /opt/ppai/weights \
    && cp -a /var/cache/ppai-weights/smollm2 /var/cache/ppai-weights/encoder /opt/ppai/weights/
# Loading the encoder once writes its ONNX graph beside the weights; at run time the folder is read-only, and every
# start would build the graph anew.
RUN /opt/ppai/venv/bin/python -c \
    'from pathlib import Path; from profiler.encoder import load_encoder; load_encoder(Path("/opt/ppai/weights/encoder"))' \
    && test -s /opt/ppai/weights/encoder/model.int8.onnx

# --- the peer
FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="PPAI" \
      org.opencontainers.image.description="One OpenAI-compatible endpoint that answers with the best model any of your machines runs" \
      org.opencontainers.image.licenses="Apache-2.0"

# llama.cpp is linked against libgomp, which slim images lack. No version: Debian keeps only the newest of a release,
# so that a pin breaks the build with the next security fix.
# The user has a fixed number, so that the owner of a volume stays the same over builds and hosts.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 ppai \
    && useradd --uid 10001 --gid 10001 --no-log-init --home-dir /var/lib/ppai --shell /usr/sbin/nologin ppai \
    && install -d -o ppai -g ppai -m 0700 /var/lib/ppai

# Weights first: they are the largest layer and change least.
COPY --from=weights /opt/ppai/weights /opt/ppai/weights
COPY --from=build /opt/ppai/venv /opt/ppai/venv
ENV PATH=/opt/ppai/venv/bin:$PATH \
    PPAI_HOME=/var/lib/ppai \
    PPAI_WEIGHTS=/opt/ppai/weights \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

# By number: a check for non-root users cannot resolve names.
USER 10001:10001
WORKDIR /var/lib/ppai
# The identity lies here; a new volume takes over the folder's owner and mode.
VOLUME /var/lib/ppai
# 8470 applications, 8471 other peers.
EXPOSE 8470 8471
ENTRYPOINT ["ppai"]
CMD ["serve"]
