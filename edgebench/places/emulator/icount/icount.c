/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Counts the instructions that an emulated program executes, by class. A QEMU TCG plugin; it runs inside QEMU's
 * process only, hence under QEMU's own licence (the rest of edgebench is Apache-2.0).
 *
 *   qemu-aarch64 -plugin icount.so,out=counts.jsonl PROGRAM
 *
 * Each translated block costs one inline add when it is executed; its instructions are classified once, when it is
 * translated, and weighted when the program marks a moment by the system call getpriority(0, 0x5eed0), which does
 * nothing anywhere else. Each mark writes one line with the counts since the start:
 *
 *   {"instructions": 123444063, "scalar": 1, "branch": 2, ...}
 *
 * Exact for one thread. With several, adds of one block can be lost: they are not atomic.
 */
#include "classes.h"
#include "qemu_plugin_api.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK 0x5eed0
#define LONGEST_X86 15
#define GETPRIORITY_AARCH64 141
#define GETPRIORITY_X86_64 140

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static const char *const NAMES[KINDS] = {
    "scalar",    "branch",      "load",           "store",           "vector_load", "vector_store",
    "float_fma", "float_other", "vector_integer", "vector_multiply", "dot_product", "system",
};

struct block {
    uint64_t executed; /* QEMU's generated code adds one each time the block starts */
    struct block *next;
    uint32_t size;
    uint16_t kinds[KINDS];
};

static struct block *blocks;
static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *out;
static bool x86;

/* Jumps and calls by a displacement: jo to jg, call, jmp. No two of them are alike, so remembering does not help. */
static bool is_near_branch(const uint8_t *bytes)
{
    uint8_t first = bytes[0];
    return first == 0xe8 || first == 0xe9 || first == 0xeb || first >> 4 == 0x7 || (first == 0x0f && bytes[1] >> 4 == 0x8);
}

/* Disassembling takes three quarters of the time until it is remembered; the same few instructions come again and
   again, and their bytes alone decide. Called with the lock held. */
static enum kind kind_x86(const struct qemu_plugin_insn *instruction)
{
    static struct known {
        uint8_t size, kind, bytes[LONGEST_X86];
    } known[1 << 16];
    const uint8_t *bytes = qemu_plugin_insn_data(instruction);
    size_t size = qemu_plugin_insn_size(instruction);
    if (is_near_branch(bytes))
        return BRANCH;
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t index = 0; index < size; index++)
        hash = (hash ^ bytes[index]) * 16777619u;
    struct known *entry = &known[(hash ^ hash >> 16) & 0xffff];
    if (size > LONGEST_X86 || entry->size != size || memcmp(entry->bytes, bytes, size) != 0) {
        char *text = qemu_plugin_insn_disas(instruction);
        entry->kind = text ? icount_kind_x86(text) : SYSTEM;
        entry->size = size > LONGEST_X86 ? 0 : size;
        memcpy(entry->bytes, bytes, entry->size);
        free(text);
    }
    return entry->kind;
}

static enum kind kind_of(const struct qemu_plugin_insn *instruction)
{
    if (x86)
        return kind_x86(instruction);
    uint32_t word;
    memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
    return icount_kind_a64(word);
}

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *translated)
{
    (void)id;
    struct block *block = calloc(1, sizeof *block);
    if (block == NULL) {
        fputs("icount: out of memory\n", stderr);
        exit(EXIT_FAILURE); /* a lost block would be a wrong count */
    }
    block->size = qemu_plugin_tb_n_insns(translated);
    pthread_mutex_lock(&blocks_lock);
    for (uint32_t index = 0; index < block->size; index++)
        block->kinds[kind_of(qemu_plugin_tb_get_insn(translated, index))]++;
    block->next = blocks;
    blocks = block;
    pthread_mutex_unlock(&blocks_lock);
    qemu_plugin_register_vcpu_tb_exec_inline(translated, QEMU_PLUGIN_INLINE_ADD_U64, &block->executed, 1);
}

static void write_counts(void)
{
    uint64_t instructions = 0, totals[KINDS] = {0};
    pthread_mutex_lock(&blocks_lock);
    for (const struct block *block = blocks; block; block = block->next) {
        instructions += block->executed * block->size;
        for (int kind = 0; kind < KINDS; kind++)
            totals[kind] += block->executed * block->kinds[kind];
    }
    pthread_mutex_unlock(&blocks_lock);
    fprintf(out, "{\"instructions\": %" PRIu64, instructions);
    for (int kind = 0; kind < KINDS; kind++)
        fprintf(out, ", \"%s\": %" PRIu64, NAMES[kind], totals[kind]);
    fputs("}\n", out);
    fflush(out);
}

static void on_system_call(qemu_plugin_id_t id, unsigned int vcpu, int64_t number, uint64_t a1, uint64_t a2,
                           uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)vcpu, (void)a1, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number == (x86 ? GETPRIORITY_X86_64 : GETPRIORITY_AARCH64) && a2 == MARK)
        write_counts();
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    x86 = strcmp(info->target_name, "x86_64") == 0;
    if (!x86 && strcmp(info->target_name, "aarch64") != 0) {
        fprintf(stderr, "icount: counts aarch64 and x86_64, not %s\n", info->target_name);
        return -1;
    }
    if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 || (out = fopen(argv[0] + 4, "w")) == NULL) {
        fputs("icount: needs the one argument out=FILE, a file that can be written\n", stderr);
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
    return 0;
}
