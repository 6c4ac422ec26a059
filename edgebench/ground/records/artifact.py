"""A written file and everything that is known of it."""

from __future__ import annotations

from edgebench.ground.records.base import SCHEMA, Calibrator, Layout, Record
from edgebench.ground.records.specs import ExportSpec, ModelSpec


class TensorSpec(Record, frozen=True, kw_only=True):
    """One input or output of a file. A dimension of None is dynamic.

    Where the dtype is an integer, it stands for (value - zero_point) * scale.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    layout: Layout | None = None
    scale: float | None = None
    zero_point: int | None = None


class Preprocessing(Record, frozen=True, kw_only=True):
    """How an image becomes the network's input: shorter side to `resize`, centre `crop`, /255, (x - mean) / std."""

    resize: int
    crop: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Parity(Record, frozen=True, kw_only=True):
    """Errors of a written file against torch in float32, the worst over all inputs tried."""

    inputs: int
    max_abs_error: float
    output_range: float
    relative_l2_error: float
    gate: str
    passed: bool
    evaluated_by: str

    @property
    def range_error(self) -> float:
        """Largest absolute error as a share of the output's range."""
        return self.max_abs_error / self.output_range if self.output_range else float("inf")


class LayerError(Record, frozen=True, kw_only=True):
    """What int8 costs at one layer: the relative L2 error of its output against float, by the same input images.

    `stored` is what the layer is computed in, int8 or float; `why` says why it stayed float.
    """

    name: str
    kind: str
    relative_l2_error: float
    stored: str = "int8"
    why: str = ""


class QuantizationReport(Record, frozen=True, kw_only=True):
    """What was decided while a file became int8, and what it costs.

    `errors` maps every calibrator tried to the relative L2 error of the outputs on `held_out` images.
    """

    calibrator: Calibrator
    calibration_images: int
    held_out: int
    errors: dict[str, float] = {}
    layers: tuple[LayerError, ...] = ()
    equalized: bool = False
    bias_corrected: bool = False
    activations: str = ""


class Artifact(Record, frozen=True, kw_only=True):
    """A checked file and all that is known of it; written beside the file as its JSON manifest.

    `cache_key` addresses everything that the file was made from; it is empty where an export is never reused.
    """

    schema: int = SCHEMA
    model: ModelSpec
    export: ExportSpec
    path: str
    sha256: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing | None = None
    parity: Parity | None = None
    quantization: QuantizationReport | None = None
    operators: dict[str, int] = {}
    delegated_share: float | None = None
    delegates: int | None = None
    parameters: int | None = None
    macs: int | None = None
    weights_sha256: str | None = None
    convert_s: float | None = None
    cached: bool = False
    cache_key: str = ""
    tool_versions: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    created: str = ""
