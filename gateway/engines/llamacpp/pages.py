"""What llama.cpp says on its own pages, as far as it is read."""

from math import isfinite

import msgspec

from gateway.engines.engine_state import DEFAULT_SLOTS


class _GenerationSettings(msgspec.Struct):
    n_ctx: int = 0


class _TemplateCaps(msgspec.Struct):
    supports_tools: bool = True


class Props(msgspec.Struct):
    """GET /props, of one model or of a router."""

    role: str = ""  # `router`
    total_slots: int = DEFAULT_SLOTS
    chat_template_caps: _TemplateCaps = msgspec.field(default_factory=_TemplateCaps)
    default_generation_settings: _GenerationSettings = msgspec.field(default_factory=_GenerationSettings)


class Progress(msgspec.Struct):
    """How far a model is loaded: `value` of one stage, all of which are named, or that one alone."""

    value: float = 0.0
    current: str = ""
    stages: list[str] = []

    @property
    def share(self) -> float:
        """0 to 1; stages count alike."""
        value = max(0.0, min(self.value, 1.0)) if isfinite(self.value) else 0.0
        return (self.stages.index(self.current) + value) / len(self.stages) if self.current in self.stages else value


class _Data(msgspec.Struct):
    status: str = ""
    progress: Progress | None = None


class Event(msgspec.Struct):
    """One of GET /models/sse."""

    model: str
    data: _Data
