"""What is made late, or only where it is configured: the embedded engine, the encoder, what tells a collector."""

from gateway.engines.embedded import EmbeddedConfig, EmbeddedEngine, ModelMissing
from gateway.home.folder import Home
from gateway.home.weights import WeightsMissing, locate
from gateway.telemetry import otel
from profiler.encoder import Encoder, EncoderError, open_encoder


def embedded_engine(config: EmbeddedConfig, home: Home) -> EmbeddedEngine:
    """The engine of our own, with the pulled model. Raises ModelMissing."""
    try:
        model = locate("smollm2", home.weights)
    except WeightsMissing as error:
        raise ModelMissing(str(error)) from error
    return EmbeddedEngine(model, config, home.path / "engine.log")


def full_encoder(model: str, home: Home) -> Encoder:
    """The encoder `model`, or if that is empty the pulled one, whose files must be whole. Raises EncoderError."""
    try:
        if not model:
            locate("encoder", home.weights)
    except WeightsMissing as error:
        raise EncoderError(str(error)) from error
    return open_encoder(model, home.weights)


def tracing(config: otel.OtelConfig, peer: str) -> otel.Tracing | None:
    """What tells a collector of requests; its library is loaded where one is named. Raises OtelError."""
    otel.check(config)
    if not config.endpoint:
        return None
    from gateway.telemetry.tracing import OpenTelemetry

    return OpenTelemetry(config, peer)
