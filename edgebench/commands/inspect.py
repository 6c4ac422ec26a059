"""`edgebench inspect`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.commands.options import Json

if TYPE_CHECKING:
    from edgebench.inspecting import Inspection


def inspect(
    file: Annotated[Path, typer.Argument(help="A .tflite or .onnx file, an .mlpackage or .ncnn folder.")],
    strict: Annotated[bool, typer.Option("--strict", help="Fail (exit 4) where int8 is not int8.")] = False,
    json: Json = False,
) -> None:
    """Show what is in a file: operators, sizes, precision, what int8 costs each layer, and what is not int8."""
    from edgebench import inspecting
    from edgebench.report import inspected, output

    found = inspecting.inspect(file)
    if json:
        output.json(found)
    else:
        output.blocks(*inspected.blocks(found))
    if strict:
        refuse_dynamic(found)
        inspecting.check(found)


def refuse_dynamic(found: "Inspection") -> None:
    """Raises ExportError, for `--strict`, for a file whose int8 is that of dynamic range alone."""
    from edgebench.errors import ExportError
    from edgebench.export.inside.islands import dynamic_range

    sentences = dynamic_range(found.operators)
    if sentences and not found.int8:
        raise ExportError(f"{found.path} is not int8 throughout (--strict): {sentences[0]}")
