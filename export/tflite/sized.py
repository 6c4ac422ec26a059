"""A .tflite file that leaves sizes of its image open, with these sizes fixed: a file like any other to run and send."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgebench.ground.errors import UsageError, first_line


def sized(path: Path, name: str, sizes: Sequence[int]) -> bytes:
    """The network in `path` whose input `name` has these `sizes` on all axes but the first, which stays as it is.

    What follows of them for other tensors is what LiteRT makes of it. Raises UsageError for sizes that do not fit.
    """
    content = bytearray(path.read_bytes())
    graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=bytes(content), experimental_op_resolver_type=resolver)
    (entry,) = (each["index"] for each in interpreter.get_input_details() if each["name"] == name)
    unfit = f"{path} does not take images of {'x'.join(map(str, sizes))} (height, width, channels)"
    try:
        interpreter.resize_tensor_input(entry, [1, *sizes])
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"{unfit}: {first_line(error)}") from error
    found = {each["index"]: each["shape"] for each in interpreter.get_tensor_details()}
    for index in range(graph.TensorsLength()):
        tensor, shape = graph.Tensors(index), found[index]
        if tensor.ShapeLength() == len(shape) > 0:
            if min(tensor.ShapeAsNumpy()) > 0 >= min(shape):
                where = (tensor.Name() or b"").decode()
                raise UsageError(f"{unfit}: nothing is left of them at {where}; give larger ones")
            tensor.ShapeAsNumpy()[:] = shape  # a view: it changes the file in place
        if tensor.ShapeSignatureLength() == len(shape) > 0:
            tensor.ShapeSignatureAsNumpy()[1:] = shape[1:]
    return bytes(content)


def single(path: Path) -> bytes:
    """The network in `path` with the shapes that its tensors have now, a batch of one where they leave it open."""
    content = bytearray(path.read_bytes())
    graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    for tensor in map(graph.Tensors, range(graph.TensorsLength())):
        if tensor.ShapeSignatureLength() == tensor.ShapeLength() > 0:
            tensor.ShapeSignatureAsNumpy()[:] = tensor.ShapeAsNumpy()  # a view, too
    return bytes(content)
