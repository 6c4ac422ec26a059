"""metrics.jsonl: rows come back, a torn last line does not, what was written beyond the checkpoint is cut."""

from pathlib import Path

import pytest

from edgebench.ground.errors import TrainingError, UsageError
from edgebench.training.records import Epoch, Metrics, read


def _row(epoch: int) -> Epoch:
    return Epoch(
        epoch=epoch,
        step=3 * epoch,
        lr=0.1,
        train_loss=1.0,
        train_accuracy=0.5,
        val_loss=1.0,
        val_accuracy=0.5,
        gradient_norm=1.0,
        layer_gradients={"conv1": 0.5},
        images_per_s=10.0,
        seconds=1.0,
    )


def test_rows_come_back_and_a_new_run_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for _ in range(2):
        metrics = Metrics(path)
        for epoch in (1, 2):
            metrics.append(_row(epoch))
    assert read(path) == [_row(1), _row(2)] == list(metrics.rows)


def test_a_torn_line_and_an_epoch_beyond_the_checkpoint_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    for epoch in (1, 2, 3):
        metrics.append(_row(epoch))
    path.write_bytes(path.read_bytes() + b'{"epoch":4,"st')
    again = Metrics(path)
    again.cut(2)
    again.append(_row(3))
    assert read(path) == [_row(1), _row(2), _row(3)]


def test_what_is_not_there_or_no_metrics_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the metrics"):
        read(tmp_path / "none")
    (tmp_path / "other").write_text('{"x": 1}\n')
    with pytest.raises(UsageError, match="does not hold the metrics"):
        read(tmp_path / "other")
    with pytest.raises(TrainingError, match="cannot write"):
        Metrics(tmp_path / "no" / "folder").append(_row(1))
