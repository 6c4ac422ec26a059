import logging
import os
import sys
import warnings

import pytest

from edgebench.formats.quiet import Noise, quiet

NOISE = Noise(logs={"noisy": "known"}, warnings=("known",), lines=("known",))


def test_known_lines_are_dropped_and_others_pass(capsys):
    with quiet(NOISE):
        sys.stderr.write("known: 1%\rknown: 2%\r\nnew\nbroken ")
        sys.stderr.write("line\nknown without an end")
    assert capsys.readouterr().err == "new\nbroken line\n"


def test_rest_of_a_line_passes_when_the_block_fails(capsys):
    with pytest.raises(ValueError), quiet(NOISE):
        sys.stderr.write("half a line")
        raise ValueError
    assert capsys.readouterr().err == "half a line"


def test_known_lines_of_compiled_code_are_dropped_and_others_pass(capfd):
    with quiet(Noise(native=("known",))):
        os.write(2, b"known\nnew\n")
        os.write(2, b"\xff no text")
    os.write(2, b"\nafterwards")
    assert capfd.readouterr().err == "new\n\ufffd no text\nafterwards"


def test_known_log_records_are_dropped_inside_the_block_only(caplog):
    logger = logging.getLogger("noisy")
    with quiet(NOISE):
        logger.warning("known, inside")
        logger.warning("new, inside")
    logger.warning("known, outside")
    assert [record.getMessage() for record in caplog.records] == ["new, inside", "known, outside"]


def test_known_warnings_are_dropped_and_others_raise():
    with quiet(NOISE), warnings.catch_warnings(record=True) as caught:
        warnings.warn("known thing", stacklevel=1)
        warnings.filterwarnings("always", "new")
        warnings.warn("new thing", stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["new thing"]


def test_filters_are_gone_afterwards():
    before = list(warnings.filters), list(logging.getLogger("noisy").filters), sys.stderr
    with quiet(NOISE):
        pass
    assert before == (list(warnings.filters), list(logging.getLogger("noisy").filters), sys.stderr)
