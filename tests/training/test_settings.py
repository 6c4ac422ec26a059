"""Settings: what is accepted, what is refused and how."""

import pytest

from edgebench.ground.errors import UsageError
from edgebench.training.settings import KINDS, Kind, Settings, chosen, differences, settings


def test_what_is_not_given_is_the_usual() -> None:
    assert settings({}) == Settings()
    assert settings({"optimizer": "sgd"}).learning_rate == 0.05
    assert settings({"lr": 0.5}).learning_rate == 0.5
    assert settings({"weight_decay": 0.0}).decay == 0.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 3}, "unknown setting of a training 'epoch'; did you mean epochs"),
        ({"epochs": 0}, "`epochs`: expected int >= 1"),
        ({"lr": -1.0}, "`lr`: expected float > 0"),
        ({"lr": float("inf")}, "`lr`: expected float <= 1000000000"),
        ({"clip": float("inf")}, "`clip`: expected float <= 1000000000"),
        ({"warmup": float("nan")}, "`warmup`: expected float >= 0"),
        ({"label_smoothing": 1.0}, "`label_smoothing`: expected float < 1"),
        ({"ema": 1.0}, "`ema`"),
        ({"optimizer": "adam"}, "unknown value of `optimizer` 'adam'; did you mean adamw.* Known: adamw, sgd"),
        ({"schedule": "linear"}, "`schedule`"),
        ({"init": "zeros"}, r"unknown value of `init` 'zeros'\. Known: he, xavier"),
        ({"normalize": "none"}, "Known: auto, data, published"),
        ({"augment": "mirrored"}, "unknown augmentation 'mirrored'; did you mean mirror"),
    ],
)
def test_what_cannot_be_is_one_sentence(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        settings(given)


def test_differences_name_both_values() -> None:
    assert differences(Settings(lr=0.1), Settings(lr=0.2)) == ["lr 0.1 (was 0.2)"]
    assert differences(Settings(), Settings(lr=0.2)) == ["lr the default (was 0.2)"]
    assert differences(Settings(augment=("mirror", "crop")), Settings(augment=())) == ["augment mirror,crop (was none)"]
    assert differences(Settings(), Settings()) == []


def test_kinds_are_chosen_in_the_order_in_which_they_are_applied() -> None:
    assert chosen("crop, Mirror") == ("mirror", "crop")
    assert chosen("none") == ()
    assert chosen("all") == tuple(KINDS)
    with pytest.raises(UsageError, match="unknown augmentation 'all'"):
        chosen("all,none")


def test_the_settings_know_every_kind() -> None:
    assert set(Kind.__args__) == set(KINDS)
