"""Tasks and messages as bytes: safetensors, whose header carries the rest as JSON. Nothing is ever unpickled."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from pydantic import ValidationError

from dawson.errors import ExperimentError
from dawson.federation.messages import MESSAGES, TASKS, Message, Task

_HEADER = "dawson"
MAXIMUM_HEADER = 1_000_000


def encode(content: Task | Message) -> bytes:
    """One task or message as bytes."""
    from safetensors.numpy import save

    header = content.model_dump(mode="json", exclude={"arrays"})
    arrays = {name: np.ascontiguousarray(array) for name, array in getattr(content, "arrays", {}).items()}
    return bytes(save(arrays, metadata={_HEADER: json.dumps(header, allow_nan=False)}))


def decode_message(content: bytes) -> Message:
    """A message of a site from its bytes.

    Raises
    ------
    ExperimentError
        It is none.
    """
    message: Message = _decode(content, MESSAGES)
    return message


def decode_task(content: bytes) -> Task:
    """A task of the coordinator from its bytes.

    Raises
    ------
    ExperimentError
        It is none.
    """
    task: Task = _decode(content, TASKS)
    return task


def _decode(content: bytes, kinds: dict[str, Any]) -> Any:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        header = json.loads(_metadata(content)[_HEADER])
        kind = kinds[header["kind"]]
        arrays = load(content)
        if arrays or "arrays" in kind.model_fields:
            header["arrays"] = arrays
        return kind.model_validate(header)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ExperimentError(
            f"What came over the network is no {header['kind']}: [{'.'.join(map(str, problem['loc']))}] {problem['msg']}."
        ) from None
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ExperimentError(f"What came over the network cannot be read: {type(error).__name__}.") from None


def _metadata(content: bytes) -> dict[str, str]:
    length = int.from_bytes(content[:8], "little")
    if not 2 <= length <= MAXIMUM_HEADER or len(content) < 8 + length:
        raise ValueError("no header")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata
