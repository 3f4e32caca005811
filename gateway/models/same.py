"""Which names mean the same model (P): `llama3.2` at one engine is `hf.co/bartowski/Llama-3.2-GGUF:Q4_K_M` at another.

What makes a model another one stays in its key: family, version, size, and what it was trained to (base, instruct,
coder, ...). What only says how its weights are packed does not: organisation, case, file format, quantisation.
"""

import re
from functools import lru_cache

NAME_CHARS = 256  # of a name that is read; a record's names are no longer
_KEYS_REMEMBERED = 8192  # a network's models several times over

# Uploaders put the owner of a model before its name, with `_` where a path has `/`: google_gemma-3-4b-it-GGUF.
_OWNERS = frozenset(
    {
        *("allenai", "baidu", "bytedance", "cohereforai", "coherelabs", "deepseek-ai", "google", "huggingfacetb"),
        *("ibm-granite", "meta-llama", "microsoft", "mistralai", "moonshotai", "nousresearch", "nvidia", "openai"),
        *("qwen", "thudm", "tiiuae", "zai-org"),
    }
)
_PACKING = re.compile(
    r"(?<![a-z0-9])(?:"
    r"gguf|ggml|mlc|mlx|onnx|exl[23]|awq|gptq(?:model)?|bnb|hqq|aqlm|autoround|marlin|imatrix|qat|dwq|safetensors"
    r"|(?:ud[-_]|i1[-_])?(?:i|t)?q\d(?:f\d+)?(?:_(?:\d|k|s|m|l|xs|xl|xxs|nl|p)(?![a-z0-9]))*"  # q4_k_m, q4f16_1
    r"|(?:bf|fp|f)(?:4|8|16|32)(?:[-_](?:dynamic|block))?|[nm]x?v?fp[468](?:_moe)?|w\d+a\d+|u?int[348]"
    r"|\d+(?:\.\d+)?[-_]?bits?|\d+(?:\.\d+)?bpw|quantized"
    r")(?![a-z0-9])"
)
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_PART = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)*(?:x\d+(?:\.\d+)*)?[a-z]*")  # a word, or a number with its unit
_MEANT = {"it": "instruct"}  # Google's word for it


@lru_cache(maxsize=_KEYS_REMEMBERED)
def model_key(name: str) -> str:
    """What is the same for all names of one model, and another for every other model.

    The owner, the case and what says how weights are packed do not count, nor how the parts of a name are set apart:
    `Qwen/Qwen2.5-Coder-7B-Instruct-AWQ` and `qwen2.5-coder:7b-instruct-q4_K_M` have the key
    `qwen-2.5-coder-7b-instruct`. A part that one name lacks makes another key: nothing is guessed.
    """
    text = re.split(r"[/\\]", name[:NAME_CHARS].casefold().rstrip("/\\ "))[-1]
    text = _SHARD.sub("", text.removesuffix(":latest").removesuffix(".gguf"))
    owner, underline, rest = text.partition("_")
    if underline and owner in _OWNERS:
        text = rest
    text = re.sub(r"(?<=\d)_(?=\d)", ".", _PACKING.sub(" ", text))
    parts = _PART.findall(text)
    if parts[:2] == ["meta", "llama"]:  # the owner once more, in the name itself
        del parts[0]
    return "-".join(_MEANT.get(part, part) for part in parts) or name.casefold()
