"""How long `edgebench report` takes for many stored records, and how quick the page stays with many rows.

    python tests/benchmarks/report_scale.py [RECORDS] [CELLS]

The goal: 100,000 records in under 5 s, within 500 MB. Prints seconds and peak memory of a fresh process, first with
an empty cache (Vega is bundled once), then as every later call; and, with Chromium, what sorting and filtering take.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "report"))

import browser as chromium
import example_records

CHILD = """
import resource, sys, time
from pathlib import Path
before = time.perf_counter()
from edgebench.report.page import write_report
write_report(sys.argv[1], Path(sys.argv[2]), on_warning=print)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{time.perf_counter() - before:.2f} s, processor {time.process_time():.2f} s, peak {peak:.0f} MiB")
"""
SORT = """(() => {
  const button = [...document.querySelectorAll('#overview th button')].find((each) => each.textContent === 'p50');
  const before = performance.now();
  button.click();
  return performance.now() - before;
})()"""


def main() -> None:
    given = [int(number) for number in sys.argv[1:]]
    records, cells = (*given, *(100_000, 500)[len(given) :])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = example_records.write_many(folder / "results" / "host", records, cells)
        print(f"{records:,} records of {cells:,} cells, {written / 1e6:.0f} MB")
        for title in ("empty cache", "every later call"):
            print(f"  {title}: {_report(folder)}")
        page = folder / "report.html"
        print(f"  page: {page.stat().st_size / 1e6:.1f} MB")
        wide = folder / "wide"
        example_records.write_many(wide / "results" / "host", 10_000, 10_000)
        print(f"10,000 records of 10,000 cells: {_report(wide)}")
        _look(wide / "report.html", folder / "profile")


def _report(folder: Path) -> str:
    """Writes the report in a fresh process, whose cache lies beside the records."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-c", CHILD, str(folder / "results"), str(folder / "report.html")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def _look(page: Path, profile: Path) -> None:
    executable = chromium.program()
    if executable is None:
        print("  no Chromium here: apt-get install chromium")
        return
    running = chromium.Browser(executable, profile)
    before = time.perf_counter()
    opened = running.open(page, width=1400)
    opened.wait("document.querySelectorAll('#details .chart svg').length > 0")
    print(f"  page of {page.stat().st_size / 1e6:.1f} MB: drawn after {time.perf_counter() - before:.2f} s")
    print(f"  sorting 10,000 rows: {opened.js(SORT):.0f} ms, the other way round {opened.js(SORT):.0f} ms")
    running.close()


if __name__ == "__main__":
    main()
