"""What to type next: commands that go on from what was just shown."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from edgebench.runtimes import runtime_of, unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from edgebench.ground.records import Artifact, ModelSpec


def network(spec: ModelSpec) -> str:
    """A network as commands take it: mobilenetv2 --width 0.5 --resolution 192."""
    words = [spec.name]
    if spec.is_scaled:
        words += [f"--width {spec.width:g}"] if spec.width != 1 else []
        words += [f"--depth {spec.depth:.12g}"] if spec.depth != 1 else []
        words.append(f"--resolution {spec.resolution}")
    else:
        words.append(f"--input {'x'.join(map(str, spec.input_shape[1:]))}")
    words += [f"--option {shlex.quote(f'{name}={value}')}" for name, value in sorted(spec.options.items())]
    return " ".join([shlex.quote(words[0]), *words[1:]])


def trained(spec: ModelSpec) -> str:
    """How a chosen network gets its weights."""
    return f"edgebench train {network(spec)} --data DIR"


def exported(artifact: Artifact) -> str:
    """What is done with a file: it is measured where its runtime is on this machine, else looked into."""
    here = unavailable(runtime_of(artifact.export.format)) is None
    return f"edgebench {'profile' if here else 'inspect'} {shlex.quote(artifact.path)}"


def profiled(results: str) -> str:
    """How what was measured and kept is looked at."""
    return f"edgebench report{'' if results == 'results' else f' {shlex.quote(results)}'}"


def laid_over(folder: str | Path) -> str:
    """How a folder of node data is looked at."""
    return f"wrote {folder}: model-explorer FILE --node_data_paths lays them over the graph"
