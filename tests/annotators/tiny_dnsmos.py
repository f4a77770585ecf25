"""An ONNX file with the inputs and outputs of the published DNSMOS, whose answers can be computed by hand."""

from pathlib import Path

WINDOW = 144_160
_FLOAT, _INTS, _INT = (
    1,
    7,
    2,
)  # enumerations of the format: a tensor of float32, attributes of several integers and of one


def write_model(path: Path) -> Path:
    """A network that hears (batch, 144160) and gives mean, maximum and minimum of each window as its three raw scores."""
    reductions = [("ReduceMean", "mean"), ("ReduceMax", "max"), ("ReduceMin", "min")]
    nodes = [_node(op, ["input_1"], name, _attribute("axes", _INTS, 8, 1)) for op, name in reductions]
    nodes.append(_node("Concat", ["mean", "max", "min"], "Identity:0", _attribute("axis", _INT, 3, 1)))
    graph = b"".join(_field(1, node) for node in nodes)
    graph += _field(2, b"tiny") + _field(11, _tensor("input_1", WINDOW)) + _field(12, _tensor("Identity:0", 3))
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(2, 13)))
    return path


def _node(op: str, inputs: list[str], output: str, attribute: bytes) -> bytes:
    named = b"".join(_field(1, name.encode()) for name in inputs)
    return named + _field(2, output.encode()) + _field(4, op.encode()) + _field(5, attribute)


def _attribute(name: str, kind: int, number: int, value: int) -> bytes:
    return _field(1, name.encode()) + _field(number, value) + _field(20, kind)


def _tensor(name: str, width: int) -> bytes:
    shape = _field(1, _field(2, b"batch")) + _field(1, _field(1, width))
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, _FLOAT) + _field(2, shape)))


def _field(number: int, value: int | bytes) -> bytes:
    """One field of a protocol buffer: a number, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
