"""`edgebench inspect`."""

from pathlib import Path
from typing import Annotated

import typer

from edgebench.commands.options import Json


def inspect(
    file: Annotated[Path, typer.Argument(help="A .tflite or .onnx file, an .mlpackage or .ncnn folder.")],
    strict: Annotated[bool, typer.Option("--strict", help="Fail (exit 4) where int8 is not int8.")] = False,
    json: Json = False,
) -> None:
    """Show what is in a file: operators, sizes, precision, what int8 costs each layer, and what is not int8."""
    from edgebench.report import files, output
    from edgebench.run import inspecting

    found = inspecting.inspect(file)
    if json:
        output.json(found)
    else:
        output.blocks(*files.inspected(found))
    if strict:
        inspecting.check(found)
