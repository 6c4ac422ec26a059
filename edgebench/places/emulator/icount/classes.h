/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The classes of instructions that icount.c counts. Part of a plugin that runs inside QEMU's process only, hence under
 * QEMU's own licence; the rest of edgebench is Apache-2.0.
 */
#ifndef EDGEBENCH_CLASSES_H
#define EDGEBENCH_CLASSES_H

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

enum kind {
    SCALAR, /* integer arithmetic, logic, moves */
    BRANCH,
    LOAD, /* into general registers, prefetches, atomics */
    STORE,
    VECTOR_LOAD, /* into SIMD and floating-point registers */
    VECTOR_STORE,
    FLOAT_FMA, /* fused multiply-add, vector and scalar */
    FLOAT_OTHER,
    VECTOR_INTEGER,  /* also permutes and moves of vectors */
    VECTOR_MULTIPLY, /* integer multiply and multiply-add */
    DOT_PRODUCT,     /* sdot, udot, matrix multiply; vpmaddubsw and the like */
    SYSTEM,
    KINDS
};

/* The class of an A64 instruction word. Exported, so that it can be checked against a disassembler without QEMU. */
EXPORT int icount_kind_a64(uint32_t word);

/* The class of an x86-64 instruction as QEMU's disassembler writes it, in AT&T syntax. Exported for the same reason. */
EXPORT int icount_kind_x86(const char *text);

#endif
