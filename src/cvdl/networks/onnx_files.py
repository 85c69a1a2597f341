"""The ONNX files that ``cvdl export`` writes: their names, and what they say of themselves.

A network is one file or several: NAME.onnx, and NAME.PART.onnx for each part that comes before it,
such as the backbone, which two networks may share. Imports neither torch nor ONNX.
"""

from __future__ import annotations

from pathlib import Path

from cvdl.networks.metadata import WeightsError

__all__ = ["MAIN", "part_path", "read_metadata"]

#: The part that has the file with the name of the network.
MAIN = "main"

# Of the protobuf message ModelProto, and of its entries of metadata.
_METADATA, _KEY, _VALUE = 14, 1, 2
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


def part_path(path: Path, part: str) -> Path:
    """Return the file of a part of the network in a file ``NAME.onnx``."""
    return path if part == MAIN else path.with_suffix(f".{part}.onnx")


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of an ONNX file, without its graph.

    Raises:
        WeightsError: if the file is missing or damaged.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; expected a file of `cvdl export`")
    found = {}
    try:
        for number, value in _fields(path.read_bytes()):
            if number == _METADATA and isinstance(value, bytes):
                entry = {key: text for key, text in _fields(value) if isinstance(text, bytes)}
                found[entry[_KEY].decode()] = entry.get(_VALUE, b"").decode()
    except (IndexError, KeyError, UnicodeDecodeError, ValueError) as error:
        raise WeightsError(f"{path}: damaged, or not an ONNX file") from error
    return found


def _fields(content: bytes) -> list[tuple[int, bytes | int]]:
    """The fields of a protobuf message, by number; those of other types are skipped."""
    fields: list[tuple[int, bytes | int]] = []
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(content, at)
            fields.append((number, value))
        elif kind == _BYTES:
            size, at = _varint(content, at)
            if at + size > len(content):
                raise ValueError("ends within a field")
            fields.append((number, content[at : at + size]))
            at += size
        elif kind in (_FIXED_32, _FIXED_64):
            at += 4 if kind == _FIXED_32 else 8
        else:
            raise ValueError(f"unknown type {kind} of a field")
    return fields


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """The integer at a position, seven bits a byte, and the position behind it."""
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
