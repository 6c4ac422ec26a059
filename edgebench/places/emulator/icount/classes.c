/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which class an instruction belongs to. Part of a plugin that runs inside QEMU's process only, hence under QEMU's own
 * licence; the rest of edgebench is Apache-2.0.
 */
#include "classes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- A64: encodings from the Arm Architecture Reference Manual, C4.1; the first row that matches decides ---- */

struct encoding {
    uint32_t mask, value;
    enum kind kind;
};

static const struct encoding A64[] = {
    {0x1c000000, 0x10000000, SCALAR}, /* data processing, immediate */
    {0x0e000000, 0x0a000000, SCALAR}, /* data processing, register */
    {0xfe000000, 0xd4000000, SYSTEM}, /* exceptions, hints, barriers, system registers */
    {0x1c000000, 0x14000000, BRANCH},

    {0xbe400000, 0x0c000000, VECTOR_STORE}, /* st1 to st4 */
    {0xbe400000, 0x0c400000, VECTOR_LOAD},  /* ld1 to ld4, ld1r */
    {0x3f400000, 0x08000000, STORE},        /* exclusive, ordered */
    {0x3f400000, 0x08400000, LOAD},
    {0x3fc00000, 0x19000000, STORE}, /* stlur */
    {0x3f000000, 0x19000000, LOAD},  /* ldapur */
    {0x3f000000, 0x18000000, LOAD},  /* literal */
    {0x3f000000, 0x1c000000, VECTOR_LOAD},
    {0x3e400000, 0x28000000, STORE}, /* pair */
    {0x3e400000, 0x28400000, LOAD},
    {0x3e400000, 0x2c000000, VECTOR_STORE},
    {0x3e400000, 0x2c400000, VECTOR_LOAD},
    {0x3f200c00, 0x38200000, LOAD},  /* atomics: they load, and store as well */
    {0x3ec00000, 0x38000000, STORE}, /* register: opc 00 stores, the others load or prefetch */
    {0x3e000000, 0x38000000, LOAD},
    {0x3e400000, 0x3c000000, VECTOR_STORE},
    {0x3e400000, 0x3c400000, VECTOR_LOAD},

    {0x5f000000, 0x1f000000, FLOAT_FMA},   /* fmadd, fmsub, fnmadd, fnmsub */
    {0x5f000000, 0x1e000000, FLOAT_OTHER}, /* the other scalar ones, conversions, fmov */

    {0xbf20fc00, 0x0e20cc00, FLOAT_FMA}, /* fmla, fmls */
    {0xbf60fc00, 0x0e400c00, FLOAT_FMA}, /* fmla, fmls, half precision */
    {0xbf20fc00, 0x0e20ec00, FLOAT_FMA}, /* fmlal, fmlsl */
    {0xbf20fc00, 0x2e20cc00, FLOAT_FMA}, /* fmlal2, fmlsl2 */
    {0xaf80b400, 0x0f801000, FLOAT_FMA}, /* fmla, fmls by element */
    {0xafc0b400, 0x0f001000, FLOAT_FMA}, /* the same, half precision */
    {0xbfc0b400, 0x0f800000, FLOAT_FMA}, /* fmlal, fmlsl by element */
    {0xbfc0b400, 0x2f808000, FLOAT_FMA}, /* fmlal2, fmlsl2 by element */

    {0x9fe0fc00, 0x0e809400, DOT_PRODUCT}, /* sdot, udot */
    {0xbfe0fc00, 0x0e809c00, DOT_PRODUCT}, /* usdot */
    {0x9fc0f400, 0x0f80e000, DOT_PRODUCT}, /* sdot, udot by element */
    {0xbf40f400, 0x0f00f000, DOT_PRODUCT}, /* usdot, sudot by element */
    {0x9fe0f400, 0x0e80a400, DOT_PRODUCT}, /* smmla, ummla, usmmla */

    {0x8f20c400, 0x0e20c400, FLOAT_OTHER},     /* three alike, float */
    {0x8f60c400, 0x0e400400, FLOAT_OTHER},     /* three alike, half precision */
    {0x8f3fcc00, 0x0e20c800, FLOAT_OTHER},     /* two registers: comparisons with 0, fabs, fneg */
    {0x8f3f8c00, 0x0e218800, FLOAT_OTHER},     /* two registers: roundings, conversions, estimates, fsqrt */
    {0x8f3fec00, 0x0e216800, FLOAT_OTHER},     /* fcvtn, fcvtl, fcvtxn */
    {0x8f3fcc00, 0x0e30c800, FLOAT_OTHER},     /* across lanes: fmaxv and the like */
    {0x8f7e0c00, 0x0e780800, FLOAT_OTHER},     /* two registers, half precision */
    {0x8f00f400, 0x0f009000, FLOAT_OTHER},     /* fmul, fmulx by element */

    {0x8f20f400, 0x0e209400, VECTOR_MULTIPLY}, /* mul, mla, mls, pmul */
    {0x8f20fc00, 0x0e20b400, VECTOR_MULTIPLY}, /* sqdmulh, sqrdmulh */
    {0xaf20f400, 0x2e008400, VECTOR_MULTIPLY}, /* sqrdmlah, sqrdmlsh */
    {0x8f208c00, 0x0e208000, VECTOR_MULTIPLY}, /* smull, smlal, smlsl, sqdmull and their like */
    {0x8f000400, 0x0f000000, VECTOR_MULTIPLY}, /* the other multiplications by element */

    {0x0e000000, 0x0e000000, VECTOR_INTEGER}, /* the rest of SIMD: integers, logic, shifts, permutes, moves */
};

int icount_kind_a64(uint32_t word)
{
    for (size_t row = 0; row < sizeof A64 / sizeof *A64; row++)
        if ((word & A64[row].mask) == A64[row].value)
            return A64[row].kind;
    return SYSTEM; /* SVE, SME and what is not allocated */
}

/* ---- x86-64: by the name that QEMU's disassembler gives, in AT&T syntax; an instruction that computes on memory
   counts as what it computes, so loads and stores are the moves ---- */

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool starts_with_any(const char *text, const char *const *prefixes)
{
    for (; *prefixes; prefixes++)
        if (starts(text, *prefixes))
            return true;
    return false;
}

/* Moves and other traffic: the last operand is the destination in AT&T syntax, and memory has parentheses or none of
   the registers' percent signs. */
static enum kind kind_of_move(const char *operands, bool vector)
{
    const char *memory = strchr(operands, '(');
    if (memory == NULL)
        return vector ? VECTOR_INTEGER : SCALAR;
    bool stores = strrchr(operands, ')')[1] == '\0';
    if (vector)
        return stores ? VECTOR_STORE : VECTOR_LOAD;
    return stores ? STORE : LOAD;
}

static bool is_float(const char *name, size_t length)
{
    static const char *const arithmetic[] = {"add", "sub", "mul", "div", "sqrt", "max", "min", "cmp", "rcp", "rsqrt",
                                             "round", "hadd", "ucomi", "comi", "cvt", "dpp", "and", "or", "xor", NULL};
    const char *suffix = length > 2 ? name + length - 2 : "";
    bool floats = starts(suffix, "ps") || starts(suffix, "pd") || starts(suffix, "ss") || starts(suffix, "sd");
    return (floats || starts(name, "cvt")) && starts_with_any(name, arithmetic);
}

static enum kind kind_of_vector(const char *name, size_t length, const char *operands)
{
    static const char *const fused[] = {"fmadd", "fmsub", "fnmadd", "fnmsub", "fmaddsub", "fmsubadd", NULL};
    static const char *const dot[] = {"pdpbusd", "pdpwssd", "pmaddubsw", "pmaddwd", NULL};
    static const char *const moves[] = {"mov", "lddqu", "broadcast", "pbroadcast", "maskmov", NULL};
    if (starts_with_any(name, fused))
        return FLOAT_FMA;
    if (starts_with_any(name, dot))
        return DOT_PRODUCT;
    if (starts(name, "pmul"))
        return VECTOR_MULTIPLY;
    if (starts_with_any(name, moves))
        return kind_of_move(operands, true);
    return is_float(name, length) ? FLOAT_OTHER : VECTOR_INTEGER;
}

int icount_kind_x86(const char *text)
{
    static const char *const branches[] = {"j", "call", "ret", "bnd", "loop", NULL};
    static const char *const system[] = {"syscall", "cpuid", "xgetbv", "fence", "lfence", "mfence", "sfence", "rdtsc",
                                         NULL};
    char name[24] = "";
    size_t length = strcspn(text, " \t");
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    const char *operands = text + length;
    if (strstr(operands, "%xmm") || strstr(operands, "%ymm") || strstr(operands, "%zmm"))
        return name[0] == 'v' ? kind_of_vector(name + 1, length - 1, operands) : kind_of_vector(name, length, operands);
    if (starts_with_any(name, branches))
        return BRANCH;
    if (starts_with_any(name, system))
        return SYSTEM;
    if (starts(name, "push"))
        return STORE;
    if (starts(name, "pop") && !starts(name, "popcnt"))
        return LOAD;
    return starts(name, "mov") ? kind_of_move(operands, false) : SCALAR;
}
