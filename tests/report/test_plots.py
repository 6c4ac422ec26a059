"""The plots as pictures, for every kind and what does not fit one."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import example_records as made
import msgspec
import pytest

pytest.importorskip("altair", reason="needs altair: pip install 'edgebench[report]'")
pytest.importorskip("vl_convert", reason="needs vl-convert-python: pip install 'edgebench[report]'")

from edgebench.compare.records import Cell
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec, OperatorProfile, OperatorTime
from edgebench.report import plots
from edgebench.report.pictures import KINDS, Picture, Wanted, write_plot
from edgebench.report.stored import Key

ONE = Wanted("mobilenetv2-w1-d1-r224", "host", "tflite", "fp32")


def texts(path: Path) -> list[str]:
    return [each.text or "" for each in ElementTree.parse(path).iter() if each.tag.endswith("}text")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_as_svg_and_as_png(kind: str, example_store: Path, tmp_path: Path) -> None:
    for name in ("x.svg", "x.png"):
        write_plot(str(example_store), tmp_path / name, Picture(kind, ONE), on_warning=pytest.fail)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG\r\n")
    shown = texts(tmp_path / "x.svg")
    assert len(shown) > 5
    assert not any(bad in text for text in shown for bad in ("NaN", "undefined", "null"))


def test_a_pareto_plot_names_the_points_that_nothing_beats(example_store: Path, tmp_path: Path) -> None:
    accuracy = tmp_path / "accuracy.csv"
    rows = [("mobilenetv1", 70.9), ("mobilenetv2", 72.0), ("efficientnet_lite0", 75.1), ("efficientnet_b0", 77.7)]
    accuracy.write_text("model,resolution,top1\n" + "".join(f"{name},224,{top1}\n" for name, top1 in rows))
    wanted = Wanted(device="host", format="tflite")
    picture = Picture("pareto", wanted, accuracies=accuracy, latency_budget_s=0.01)
    write_plot(str(example_store), tmp_path / "x.svg", picture, on_warning=pytest.fail)
    shown = texts(tmp_path / "x.svg")
    assert "top-1 accuracy (%)" in shown
    named = {text for text in shown if text.endswith(" r224 tflite fp32")}
    assert named == {
        "mobilenetv2 r224 tflite fp32",
        "efficientnet_lite0 r224 tflite fp32",
        "efficientnet_b0 r224 tflite fp32",
    }  # V1 is slower and worse


def test_history_marks_the_change(example_store: Path, tmp_path: Path) -> None:
    write_plot(str(example_store), tmp_path / "x.svg", Picture("history", ONE), on_warning=pytest.fail)
    assert "+11.8%" in texts(tmp_path / "x.svg")


def test_dark_and_light_differ(example_store: Path, tmp_path: Path) -> None:
    for look in ("light", "dark"):
        picture = Picture("pareto", look=look)
        write_plot(str(example_store), tmp_path / f"{look}.svg", picture, on_warning=pytest.fail)
    assert "#ffffff" in (tmp_path / "light.svg").read_text()
    assert "#1a1e22" in (tmp_path / "dark.svg").read_text()


@pytest.mark.parametrize(
    ("picture", "name", "sentence"),
    [
        (Picture("pareto"), "x.pdf", "a plot is written as .png or .svg, not '.pdf'"),
        (Picture("piechart"), "x.png", "unknown kind of plot 'piechart'"),
        (Picture("latency"), "x.png", "cells fit, and this plot shows one: choose with --model, --device, --fmt or"),
        (Picture("latency", Wanted(device="rpi4")), "x.png", "none of the results that fit holds samples"),
        (
            Picture("operators", Wanted("mobilenetv1")),
            "x.png",
            "holds operators; `edgebench profile --per-op` stores them",
        ),
        (Picture("history", Wanted("efficientnet_b0")), "x.png", "no cell has 2 or more records yet"),
        (Picture("pareto", Wanted("resnet18")), "x.png", "no stored result fits; there are: mobilenetv2-w1-d1-r224"),
        (Picture("pareto", y="colour"), "x.png", "unknown quantity against latency 'colour'"),
        (Picture("pareto", look="page"), "x.png", "unknown look 'page'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(
    picture: Picture, name: str, sentence: str, example_store: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        write_plot(str(example_store), tmp_path / name, picture, on_warning=pytest.fail)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_results_without_a_latency_have_no_trade_off(tmp_path: Path) -> None:
    records = [msgspec.structs.replace(made.measurement(made.spec("mobilenetv2")), latency_s=())]
    folder = made.write(tmp_path / "results", records)
    for y in plots.TRADES:
        with pytest.raises(UsageError, match=rf"no result has both latency and {y} \(1 of 1 results have no latency"):
            write_plot(str(folder), tmp_path / "x.svg", Picture("pareto", y=y), on_warning=pytest.fail)


def test_results_of_unknown_memory_are_drawn(tmp_path: Path) -> None:
    """As those of an NPU are: a scale over nothing would take the whole picture away."""
    records = [
        msgspec.structs.replace(made.measurement(made.spec(name)), memory_bytes={})
        for name in ("mobilenetv1", "mobilenetv2")
    ]
    folder = made.write(tmp_path / "results", records)
    write_plot(str(folder), tmp_path / "x.svg", Picture("pareto"), on_warning=pytest.fail)
    drawn = (tmp_path / "x.svg").read_text()
    assert "NaN" not in drawn and "e+30" not in drawn and "peak memory (MB)" in drawn


def test_counted_operators_are_drawn_by_their_instructions(tmp_path: Path) -> None:
    operators = tuple(
        OperatorTime(name=name, kind="CONV", time_s=(), counts={"instructions": count})
        for name, count in (("small", 1_000_000), ("large", 3_000_000))
    )
    profile = OperatorProfile(method="a count", operators=operators)
    folder = made.write(tmp_path / "results", [made.measurement(operators=profile)])
    write_plot(str(folder), tmp_path / "x.svg", Picture("operators"), on_warning=pytest.fail)
    shown = texts(tmp_path / "x.svg")
    assert {"large", "small", "75.0%  (75%)", "25.0%  (100%)"} <= set(shown)
    assert any(text.startswith("instructions (millions)") for text in shown)


def test_the_latency_axis_has_labels_beyond_a_hundred_milliseconds(tmp_path: Path) -> None:
    records = [made.measurement(made.spec(), factor=factor, day=factor) for factor in (9, 25)]  # 64 and 178 ms
    records[1] = msgspec.structs.replace(records[1], device="other")
    folder = made.write(tmp_path / "results", records)
    write_plot(str(folder), tmp_path / "x.svg", Picture("pareto"), on_warning=pytest.fail)
    assert {"100", "150", "10", "1", "peak memory (MB)"} <= set(texts(tmp_path / "x.svg"))


def test_a_chart_of_hostile_names_holds_them_as_text(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    folder = made.write(tmp_path / "results", [made.measurement(made.spec(hostile))])
    write_plot(str(folder), tmp_path / "x.svg", Picture("pareto"), on_warning=pytest.fail)
    assert any(hostile in text for text in texts(tmp_path / "x.svg"))
    assert "<script>" not in (tmp_path / "x.svg").read_text()


@pytest.mark.parametrize("name", ["pareto", "latency", "spread", "operators", "history", "comparison"])
@pytest.mark.parametrize("look", ["light", "dark", "page"])
def test_every_chart_is_valid_vega_lite(name: str, look: str) -> None:
    chart = getattr(plots, name)([], look=look)
    described = plots.described(chart)
    layout = described["config"]["legend"].pop("layout")
    assert described == chart.to_dict(validate=True)
    assert layout["top"]["direction"] == "vertical"


def test_charts_for_notebooks_need_no_file() -> None:
    chart = plots.comparison(
        [{"label": "a", "metric": "latency", "ratio": 1.1, "low": 1.05, "high": 1.15, "verdict": "slower"}]
    )
    assert chart.to_dict()["datasets"]["rows"][0]["verdict"] == "slower"


@pytest.mark.parametrize(
    ("network", "asked", "fits"),
    [
        ("my-wide", "my-wide", True),
        ("my-wide", "my", False),
        ("my-wide", "my-wide-r224", True),
        ("mobilenetv2", "mobilenetv2", True),
        ("mobilenetv2", "mobilenet", False),
        ("nets.py:wide", "nets.py:wide", True),
    ],
)
def test_a_network_is_wanted_by_its_whole_name(network: str, asked: str, fits: bool) -> None:
    model = ModelSpec(name=network, family="user")
    cell = Cell(model=model.key, export="tflite-fp32", device="host", runtime="litert", threads=1)
    assert Wanted(model=asked).fits(Key(cell, "measured", network)) == fits
