"""The counting plugin: its classes against a disassembler's words, its counts against a program of known length."""

import ctypes
import json
import os
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.ground.errors import DeviceError
from edgebench.places.bundle.bundle import Bundle
from edgebench.places.emulator import counting

# Words and mnemonics by GNU as and objdump 2.40, -march=armv8.6-a+fp16fml.
A64 = {
    "scalar": {
        0xD29DDA01: "movz x1, #0xeed0",
        0xF2A000A1: "movk x1, #0x5, lsl #16",
        0x91000442: "add x2, x2, #0x1",
        0x9B020C43: "madd x3, x2, x2, x3",
        0xF1000529: "subs x9, x9, #0x1",
        0x9A830041: "csel x1, x2, x3, eq",
        0xD3431841: "ubfx x1, x2, #3, #4",
        0x9AC30C41: "sdiv x1, x2, x3",
    },
    "branch": {0x54FFFD41: "b.ne", 0xB40003C1: "cbz x1", 0x9400001D: "bl", 0xD65F03C0: "ret", 0xD63F0020: "blr x1"},
    "load": {
        0xF94003E4: "ldr x4, [sp]",
        0xA9401BE5: "ldp x5, x6, [sp]",
        0xF9802000: "prfm pldl1keep, [x0, #64]",
        0xF8210062: "ldadd x1, x2, [x3]",
        0xC85FFC41: "ldaxr x1, [x2]",
        0xB9800841: "ldrsw x1, [x2, #8]",
        0x580003E1: "ldr x1, literal",
    },
    "store": {
        0xF90003E4: "str x4, [sp]",
        0xA9001BE5: "stp x5, x6, [sp]",
        0xC89FFC41: "stlr x1, [x2]",
        0x39002041: "strb w1, [x2, #8]",
    },
    "vector_load": {
        0x3DC003E0: "ldr q0, [sp]",
        0xAD400BE1: "ldp q1, q2, [sp]",
        0x4C4078E3: "ld1 {v3.4s}, [x7]",
        0x4D40C8E3: "ld1r {v3.4s}, [x7]",
        0x4C4008E0: "ld4 {v0.4s-v3.4s}, [x7]",
        0x3CDF0041: "ldur q1, [x2, #-16]",
        0x9C000401: "ldr q1, literal",
    },
    "vector_store": {0x3D8003E0: "str q0, [sp]", 0x4C0078E3: "st1 {v3.4s}, [x7]"},
    "float_fma": {
        0x4FA21024: "fmla v4.4s, v1.4s, v2.s[1]",
        0x4E22CC25: "fmla v5.4s, v1.4s, v2.4s",
        0x1F020C26: "fmadd s6, s1, s2, s3",
        0x4E420C2C: "fmla v12.8h, v1.8h, v2.8h",
        0x4F12102C: "fmla v12.8h, v1.8h, v2.h[1]",
        0x4E22EC2C: "fmlal v12.4s, v1.4h, v2.4h",
    },
    "float_other": {
        0x4E22D427: "fadd v7.4s, v1.4s, v2.4s",
        0x4E22F427: "fmax v7.4s, v1.4s, v2.4s",
        0x1E380041: "fcvtzs w1, s2",
        0x9E660041: "fmov x1, d2",
        0x4E21D841: "scvtf v1.4s, v2.4s",
        0x0E216841: "fcvtn v1.4h, v2.4s",
        0x4E218841: "frintn v1.4s, v2.4s",
        0x6E30F841: "fmaxv s1, v2.4s",
        0x4F839041: "fmul v1.4s, v2.4s, v3.s[0]",
        0x4EA0C841: "fcmgt v1.4s, v2.4s, #0.0",
    },
    "vector_integer": {
        0x4EA28428: "add v8.4s, v1.4s, v2.4s",
        0x4F3D0428: "sshr v8.4s, v1.4s, #3",
        0x0E614841: "sqxtn v1.4h, v2.4s",
        0x4E833841: "zip1 v1.4s, v2.4s, v3.4s",
        0x4E030041: "tbl v1.16b, {v2.16b}, v3.16b",
        0x4E040C41: "dup v1.4s, w2",
        0x0E0C3C41: "umov w1, v2.s[1]",
        0x4F000421: "movi v1.4s, #0x1",
        0x4EA21C41: "orr v1.16b, v2.16b, v2.16b",
        0x4EA36441: "smax v1.4s, v2.4s, v3.4s",
        0x4EB1B841: "addv s1, v2.4s",
        0x4E284841: "aese v1.16b, v2.16b",
    },
    "vector_multiply": {
        0x4EA29429: "mla v9.4s, v1.4s, v2.4s",
        0x0E628029: "smlal v9.4s, v1.4h, v2.4h",
        0x0E22C02A: "smull v10.8h, v1.8b, v2.8b",
        0x4EA3B441: "sqdmulh v1.4s, v2.4s, v3.4s",
        0x4FA3D041: "sqrdmulh v1.4s, v2.4s, v3.s[1]",
        0x2F63A041: "umull v1.4s, v2.4h, v3.h[2]",
    },
    "dot_product": {
        0x4E82942B: "sdot v11.4s, v1.16b, v2.16b",
        0x4FA2E02B: "sdot v11.4s, v1.16b, v2.4b[1]",
        0x6E82942B: "udot v11.4s, v1.16b, v2.16b",
        0x4E829C2B: "usdot v11.4s, v1.16b, v2.16b",
        0x4E82A42B: "smmla v11.4s, v1.16b, v2.16b",
    },
    "system": {0xD4000001: "svc #0", 0xD53B420A: "mrs x10, nzcv", 0xD503245F: "bti c", 0xD5033BBF: "dmb ish"},
}

# As QEMU's disassembler (capstone, AT&T syntax) writes them.
X86 = {
    "scalar": ["addq %rax, %rbx", "movq %rax, %rbx", "leaq 8(%rax), %rbx", "popcntq %rax, %rbx", "cmpl $1, (%rax)"],
    "branch": ["jne 0x1000", "callq *%rax", "retq", "jmpq *8(%rax)"],
    "load": ["movq 8(%rax), %rbx", "movzbl (%rax, %rcx), %ebx", "popq %rbp"],
    "store": ["movq %rbx, 8(%rax)", "movl $1, (%rax)", "pushq %rbp"],
    "vector_load": ["vmovups (%rax), %ymm0", "movaps 16(%rsp), %xmm1", "vbroadcastss (%rax), %ymm2"],
    "vector_store": ["vmovups %ymm0, (%rax)", "movss %xmm0, 4(%rsp)"],
    "float_fma": ["vfmadd231ps (%rax), %ymm1, %ymm2", "vfnmadd213ss %xmm0, %xmm1, %xmm2"],
    "float_other": ["vaddps %ymm0, %ymm1, %ymm2", "mulsd %xmm0, %xmm1", "vcvtdq2ps %ymm0, %ymm1"],
    "vector_integer": ["vpaddd %ymm0, %ymm1, %ymm2", "pxor %xmm0, %xmm0", "vmovaps %ymm0, %ymm1"],
    "vector_multiply": ["vpmulld %ymm0, %ymm1, %ymm2", "pmuludq %xmm0, %xmm1"],
    "dot_product": ["vpmaddubsw %ymm0, %ymm1, %ymm2", "pmaddwd %xmm0, %xmm1"],
    "system": ["syscall", "cpuid", "xgetbv"],
}  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("plugin") / "icount.so"
    try:
        counting.compile_plugin(built)
    except DeviceError as error:
        pytest.skip(str(error))
    return built


@pytest.fixture(scope="module")
def functions(library: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(library), mode=os.RTLD_LAZY)  # QEMU's own functions stay unresolved until they are called


def test_aarch64_words_fall_into_their_classes(functions: ctypes.CDLL) -> None:
    found = {
        text: counting.CLASSES[functions.icount_kind_a64(ctypes.c_uint32(word))]
        for words in A64.values()
        for word, text in words.items()
    }
    assert found == {text: kind for kind, words in A64.items() for text in words.values()}


def test_x86_instructions_fall_into_their_classes(functions: ctypes.CDLL) -> None:
    found = {
        text: counting.CLASSES[functions.icount_kind_x86(text.encode())] for texts in X86.values() for text in texts
    }
    assert found == {text: kind for kind, texts in X86.items() for text in texts}


@given(word=st.integers(0, 2**32 - 1))
def test_every_word_has_a_class(functions: ctypes.CDLL, word: int) -> None:
    assert 0 <= functions.icount_kind_a64(ctypes.c_uint32(word)) < len(counting.CLASSES)


@given(text=st.text(st.characters(codec="ascii", exclude_characters="\0")))
def test_every_text_has_a_class(functions: ctypes.CDLL, text: str) -> None:
    assert 0 <= functions.icount_kind_x86(text.encode()) < len(counting.CLASSES)


MARK = [0xD2800000, 0xD29DDA01, 0xF2A000A1, 0xD28011A8, 0xD4000001]  # x0 = 0; x1 = 0x5eed0; x8 = 141; svc
LOOPED = [
    *(word for kind in ("float_fma", "float_other", "vector_integer") for word in list(A64[kind])[:2]),
    *A64["vector_store"],
    *list(A64["vector_load"])[:3],
    *list(A64["load"])[:2],
    *list(A64["store"])[:2],
    *list(A64["vector_multiply"])[:3],
    0x91000442,
]
TIMES = 1000


def program() -> bytes:
    """A static aarch64 ELF: a mark, TIMES times LOOPED, a mark, the loop and a mark again, exit(0)."""
    back = -(len(LOOPED) + 1) & 0x7FFFF  # b.ne's offset in words, 19 bits
    loop = [0xD2800009 | TIMES << 5, *LOOPED, 0xF1000529, 0x54000001 | back << 5]  # mov x9; …; subs x9; b.ne
    words = [0x910003E7, *MARK, *loop, *MARK, *MARK, *loop, *MARK, 0xD2800000, 0xD2800BA8, 0xD4000001]  # mov x7, sp
    code = struct.pack(f"<{len(words)}I", *words)
    base, entry = 0x400000, 0x400000 + 64 + 56
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = 64 + 56 + len(code)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000)
    return ident + header + segment + code


def test_a_known_program_is_counted_exactly(library: Path, bundle: Bundle, tmp_path: Path) -> None:
    file, output = tmp_path / "program", tmp_path / "counts.jsonl"
    file.write_bytes(program())
    file.chmod(0o755)
    command = [*bundle.qemu("aarch64"), *counting.options(library, output), str(file)]
    subprocess.run(command, check=True, timeout=60)

    expected = dict.fromkeys(counting.CLASSES, 0)
    classes = {word: kind for kind, words in A64.items() for word in words}
    for word in LOOPED:
        expected[classes[word]] += TIMES
    expected["scalar"] += TIMES + 1 + 4  # subs; mov x9; the second mark's
    expected["branch"] += TIMES
    expected["system"] += 1  # its svc
    expected[counting.TOTAL] = sum(expected.values())
    assert counting.read(output, runs=2) == [expected, expected]


def test_a_plugin_that_cannot_write_stops_qemu(library: Path, bundle: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(program())
    file.chmod(0o755)
    command = [*bundle.qemu("aarch64"), *counting.options(library, tmp_path / "none" / "counts"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "a file that can be written" in done.stderr


def lines(*totals: int) -> str:
    zeros = dict.fromkeys(counting.CLASSES, 0)
    return "\n".join(json.dumps({counting.TOTAL: total, **zeros, "scalar": total}) for total in totals)


def test_only_what_lies_between_two_marks_counts(tmp_path: Path) -> None:
    output = tmp_path / "counts"
    output.write_text(lines(0, 99, 100, 150, 1000, 1052, 2000, 2051))
    found = counting.read(output, runs=3)
    assert [counts[counting.TOTAL] for counts in found] == [50, 52, 51]
    assert counting.typical(found)["scalar"] == 51
    assert counting.spread(found) == 2 / 51


@pytest.mark.parametrize("text", ["", lines(5), "{}", "no JSON", lines(5) + '\n{"instructions": 6}', "[1]\n[2]"])
def test_a_file_without_counts_is_told(text: str, tmp_path: Path) -> None:
    output = tmp_path / "counts"
    output.write_text(text)
    with pytest.raises(DeviceError, match="the counting plugin"):
        counting.read(output, runs=1)


def test_commas_in_paths_are_doubled_for_qemu() -> None:
    assert counting.options(Path("/a,b/i.so"), Path("/c,d")) == ["-plugin", "/a,,b/i.so,out=/c,,d"]


def test_a_missing_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(DeviceError, match=r"needs a C compiler: apt install gcc"):
        counting.compile_plugin(tmp_path / "icount.so")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(DeviceError, match=r"no-such-compiler: No such file"):
        counting.compile_plugin(tmp_path / "icount.so")
    assert list(tmp_path.iterdir()) == []


def test_the_plugins_own_licence_is_in_its_files() -> None:
    assert "GNU GENERAL PUBLIC LICENSE" in (counting.SOURCES / "COPYING").read_text()
    for path in counting.SOURCES.glob("*.[ch]"):
        assert "SPDX-License-Identifier: GPL-2.0-or-later" in path.read_text()
