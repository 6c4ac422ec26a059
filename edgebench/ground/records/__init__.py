"""The records that flow through edgebench: immutable, versioned, and the only thing that is ever stored.

Base units throughout, with the unit in the name (`latency_s`, `size_bytes`). Raw samples are kept in time order;
summaries are computed by whoever reads a record and never stored in place of the samples.

Schema history
    1   2026-11: first version
"""

from __future__ import annotations

from edgebench.ground.records.results import Accuracy as Accuracy
from edgebench.ground.records.results import Confusion as Confusion
from edgebench.ground.records.results import Estimate as Estimate
from edgebench.ground.records.results import Measurement as Measurement
from edgebench.ground.records.results import OperatorProfile as OperatorProfile
from edgebench.ground.records.results import OperatorTime as OperatorTime
from edgebench.ground.records.results import Result as Result
from edgebench.ground.records.results import headline as headline
from edgebench.ground.records.specs import CLASSES as CLASSES
from edgebench.ground.records.specs import QUICK as QUICK
from edgebench.ground.records.specs import SCHEMA as SCHEMA
from edgebench.ground.records.specs import Artifact as Artifact
from edgebench.ground.records.specs import Beside as Beside
from edgebench.ground.records.specs import Calibrator as Calibrator
from edgebench.ground.records.specs import Count as Count
from edgebench.ground.records.specs import ExportSpec as ExportSpec
from edgebench.ground.records.specs import Format as Format
from edgebench.ground.records.specs import Interval as Interval
from edgebench.ground.records.specs import LayerError as LayerError
from edgebench.ground.records.specs import Layout as Layout
from edgebench.ground.records.specs import ModelSpec as ModelSpec
from edgebench.ground.records.specs import Parity as Parity
from edgebench.ground.records.specs import Positive as Positive
from edgebench.ground.records.specs import Precision as Precision
from edgebench.ground.records.specs import Preprocessing as Preprocessing
from edgebench.ground.records.specs import Provenance as Provenance
from edgebench.ground.records.specs import Quantization as Quantization
from edgebench.ground.records.specs import QuantizationReport as QuantizationReport
from edgebench.ground.records.specs import QuantizationScheme as QuantizationScheme
from edgebench.ground.records.specs import Record as Record
from edgebench.ground.records.specs import Scenario as Scenario
from edgebench.ground.records.specs import Status as Status
from edgebench.ground.records.specs import TensorSpec as TensorSpec
from edgebench.ground.records.specs import identity as identity
