"""Whether the fastest way that `edgebench runtimes` names is the fastest: `ab` between it and the three behind it.

    python tests/benchmarks/advice.py [lenet5@32 mobilenetv2@96 resnet18@64] [--minutes 2] [--precision fp32,fp16,int8]

Both run in fresh processes, in turn, until the ratio is sure or the time of the pair is up; a network takes six minutes
more than its ranking then. The ratio is the pick's latency over the other's: the advice is within 3% of the best where
no ratio is above 1.03. The machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from msgspec.structs import replace

import edgebench
from edgebench.choose.ranking import Ranked
from edgebench.compare import ab, processes
from edgebench.formats.foreign import load_artifact
from edgebench.ground.records import Interval
from edgebench.places.local import LocalTarget
from edgebench.places.target import Job

WITHIN = 0.03
BEHIND = 3


def main() -> None:
    """Parses the command line, ranks each network's ways, and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["lenet5@32", "mobilenetv2@96", "resnet18@64"])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--precision", default="fp32,fp16,int8")
    asked = parser.parse_args()
    found: list[Interval] = []
    for network in asked.networks:
        name, _, resolution = network.partition("@")
        with tempfile.TemporaryDirectory() as results:
            ways = edgebench.rank_runtimes(
                name, resolution=int(resolution) if resolution else None, precision=asked.precision, results=results
            )
        pick, *others = [each for each in ways if each.place is not None][: BEHIND + 1]
        for other in others:
            limits = ab.Limits(threshold=WITHIN, time_s=60 * asked.minutes)
            jobs: dict[ab.Side, Job] = {"base": job(other), "new": job(pick)}
            ratio = ab.run_ab(processes.run_on(LocalTarget(), jobs), limits).ratio
            print(f"{network}: {title(pick)} / {title(other)} {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})")
            found.append(ratio)
    beyond = sum(each.low > 1 + WITHIN for each in found)
    unsure = sum(each.low <= 1 + WITHIN < each.high for each in found)
    print(f"of {len(found)} pairs {beyond} are beyond 3%, and {unsure} cannot be told")


def job(way: Ranked) -> Job:
    """One fresh process of a way."""
    scenario = replace(ab.SCENARIO, threads=threads(way))
    return Job(runtime=way.result.runtime, artifact=way.file, scenario=load_artifact(Path(way.file)).scenario(scenario))


def title(way: Ranked) -> str:
    """mnn fp32, 2 threads."""
    return f"{way.result.export.format} {way.result.export.precision}, {threads(way)} threads"


def threads(way: Ranked) -> int:
    """How many threads a way was measured with."""
    return way.result.scenario.threads  # type: ignore[union-attr]  # this machine's are measured


if __name__ == "__main__":
    main()
