"""What the configuration files of all rooms share: reading YAML, laying one over another, and saying what is wrong."""

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from manifests.errors import ConfigError


def read_settings(path: str) -> dict[str, Any]:
    """The mapping that a user's YAML file holds; an empty file holds an empty one.

    Raises
    ------
    ConfigError : the file cannot be read, is not YAML, or holds something else
    """
    try:
        settings = yaml.safe_load(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"Could not read {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigError(
            f"{path}: the file must be a mapping such as 'annotators: ...', not a {type(settings).__name__}"
        )
    return settings


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``over``; mappings are merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(merged.get(key), dict) and isinstance(value, dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def parse_setting(text: str) -> dict[str, Any]:
    """What ``--set KEY=VALUE`` means, e.g. ``{"optimizer": {"learning_rate": 1e-4}}``: the key is a path, the value YAML.

    Raises
    ------
    ConfigError : there is no key, or the value is not YAML
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise ConfigError(f"--set {text}: write it as key=value, such as optimizer.learning_rate=1e-4")
    try:
        nested: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not YAML: {error}") from None
    for part in reversed(key.strip().split(".")):
        nested = {part: nested}
    return dict(nested)


def explain(error: ValidationError, prefix: str = "") -> str:
    """What is wrong with a file of settings: each key with its path, and what was there."""
    lines = []
    for item in error.errors():
        path = prefix + ".".join(str(part) for part in item["loc"])
        if not item["loc"] and "error" in item.get("ctx", {}):  # raised by a check of several keys, which names them
            lines.append(f"{prefix}{item['ctx']['error']}")
            continue
        message = "unknown key" if item["type"] == "extra_forbidden" else item["msg"]
        got = "" if item["type"] in ("extra_forbidden", "missing") else f" (got {item['input']!r})"
        lines.append(f"{path}: {message}{got}")
    return "; ".join(lines)


def difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """What differs between two configurations, as a unified diff of their YAML; empty where nothing does."""
    before, after = (yaml.safe_dump(d, sort_keys=True, allow_unicode=True).splitlines() for d in (old, new))
    return "\n".join(difflib.unified_diff(before, after, "the run folder", "this command", lineterm="", n=1))
