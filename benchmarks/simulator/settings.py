"""configs/experiments/paper.yaml as types. A key that is missing, unknown or out of bounds is a named error."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from benchmarks.simulator.engine import EngineSpeed
from benchmarks.simulator.network import Regions
from benchmarks.simulator.workload import Lengths

DEFAULT = Path(__file__).resolve().parents[2] / "configs" / "experiments" / "paper.yaml"
SMALL = DEFAULT.with_name("sample.yaml")  # what the small sample of outcomes needs otherwise than paper.yaml

_Positive = Annotated[float, msgspec.Meta(gt=0)]
_Count = Annotated[int, msgspec.Meta(ge=1)]
_Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Engines(_Section, frozen=True):
    batched: EngineSpeed
    small: EngineSpeed


class Workload(_Section, frozen=True):
    lengths: dict[str, Lengths]
    central_k: _Count
    profile_questions: _Count


class Capacity(_Section, frozen=True):
    busiest_rho: _Positive
    at_lambda: _Positive


class Between(_Section, frozen=True):
    within_s: _Positive
    across_s: _Positive
    bandwidth_bytes_per_s: _Positive

    def regions(self, count: int) -> Regions:
        return Regions(count, self.within_s, self.across_s, self.bandwidth_bytes_per_s)


class Pulses(_Section, frozen=True):
    loss: _Share


class PrequalSettings(_Section, frozen=True):
    age_s: _Positive
    margin: _Positive


class _Sized(_Section, frozen=True):
    queries: _Count
    warm_up: _Share


class Table1(_Sized, frozen=True):
    queries_loaded: _Count
    lambda_: _Positive = msgspec.field(name="lambda")
    lambda_loaded: _Positive


class Load(_Sized, frozen=True):
    lambdas: tuple[_Positive, ...]


class Beta(_Sized, frozen=True):
    lambda_: _Positive = msgspec.field(name="lambda")
    betas_per_s: tuple[_Positive, ...]


class Scale(_Sized, frozen=True):
    lambda_: _Positive = msgspec.field(name="lambda")
    agents: tuple[_Count, ...]
    rho: _Positive
    entries: _Count
    regions: _Count


class Staleness(_Sized, frozen=True):
    agents: _Count
    rho: _Positive
    mean_service_s: tuple[_Positive, ...]
    tokens: Lengths
    ages_s: tuple[_Positive, ...]
    baseline_ages_s: tuple[_Positive, ...]


class Churn(_Sized, frozen=True):
    agents: _Count
    rho: _Positive
    late: _Count
    every_s: _Positive


class Adversary(_Sized, frozen=True):
    agents: _Count
    rho: _Positive
    shares: tuple[_Share, ...]
    liar_slowness: _Positive
    audits: _Count


class Settings(_Section, frozen=True):
    seeds: tuple[int, ...]
    engines: Engines
    workload: Workload
    capacity: Capacity
    regions: Between
    pulses: Pulses
    prequal: PrequalSettings
    table1: Table1
    load: Load
    beta: Beta
    scale: Scale
    staleness: Staleness
    churn: Churn
    adversary: Adversary


class SettingsError(Exception):
    """The settings file cannot be used; the message names the key."""


def read(path: Path = DEFAULT, over: Path | None = None) -> Settings:
    """The settings of a file; where `over` has a key of a section too, its value counts. Raises SettingsError."""
    try:
        values = _mapping(path)
        for key, value in (_mapping(over) if over else {}).items():
            values[key] = values[key] | value if isinstance(value, dict) else value
        return msgspec.convert(values, Settings)
    except (OSError, KeyError, TypeError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"{over or path}: {error}") from error


def _mapping(path: Path) -> dict[str, Any]:
    return msgspec.yaml.decode(path.read_bytes(), type=dict[str, Any])
