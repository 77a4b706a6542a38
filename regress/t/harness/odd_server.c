/*
 * A server that fails on demand, for a backend that loads it beside wal2lake.
 *
 * What the plugin calls it finds by its table of addresses. Each function there that
 * belongs to the server or may lack memory gets a stub before it, which counts and, at the
 * call that was asked for, goes elsewhere: to ereport, to a C++ throw, to a failure.
 * The stub jumps, so whoever looks at the stack sees the plugin's own call.
 */
#define _GNU_SOURCE
#include "postgres.h"

#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>

#include "fmgr.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(odd_server_arm);
PG_FUNCTION_INFO_V1(odd_server_disarm);
PG_FUNCTION_INFO_V1(odd_server_calls);
PG_FUNCTION_INFO_V1(odd_server_malloced);

#ifndef __x86_64__
#error "the stubs are written for x86-64"
#endif

#define MAX_STUBS 512
#define STUB_BYTES 16

typedef enum Kind { NEVER, SERVER, NEW, CRYPTO, MALLOC } Kind;

static const struct {
    const char* name;
    Kind kind;
} kKinds[] = {{"server", SERVER}, {"new", NEW}, {"crypto", CRYPTO}, {"malloc", MALLOC}};

/* Functions of the server that report no error, so that none is planted there. */
static const char* const kHarmless[] = {
    /* reporting itself, which has begun */
    "errstart", "errstart_cold", "errfinish", "errcode", "errmsg", "errmsg_internal", "errhint", "errdetail",
    "geterrcode", "FlushErrorState", "pg_re_throw",
    /* cleaning up: also what the server does after an error, when nothing may fail any more */
    "pfree", "MemoryContextReset", "MemoryContextDelete", "LWLockReleaseAll", "UnlockBuffers",
    "ResourceOwnerRelease", "ResourceOwnerDelete",
    /* looks at memory, or at the clock, and has no ereport */
    "MemoryContextRegisterResetCallback", "MemoryContextMemAllocated", "GetCurrentTimestamp",
    "GetDatabaseEncoding", "TimestampDifferenceExceeds", "IsTransactionState", "bms_is_empty", "strlcpy",
    "HeapTupleHeaderGetCmin", "NewGUCNestLevel", "hash_bytes_extended"};

static struct {
    const char* name;
    uintptr_t target;
    Kind kind;
    uint64 calls; /* since it was armed */
} stubs[MAX_STUBS];
static int stub_count;
static uintptr_t throw_bad_alloc;

static Kind armed = NEVER;
static int64 left; /* calls until it fails */
static int64 counted;
static int planted; /* SQLSTATE */
static const char* failed_in;

/* ---- failing ---- */

static void report(void)
{
    ereport(ERROR, (errcode(planted), errmsg("planted in %s", failed_in)));
}

static void* nothing(void)
{
    return NULL;
}

/* Called by the stubs. Where to go on. */
__attribute__((visibility("hidden"), used)) uintptr_t odd_server_call(int stub)
{
    if (armed != stubs[stub].kind || armed == NEVER)
        return stubs[stub].target;
    counted++;
    stubs[stub].calls++;
    if (left == 0 || --left > 0)
        return stubs[stub].target;
    failed_in = stubs[stub].name;
    armed = NEVER;
    switch (stubs[stub].kind) {
    case SERVER:
        return (uintptr_t)report;
    case NEW:
        return throw_bad_alloc;
    default:
        return (uintptr_t)nothing;
    }
}

/* clang-format off */
__asm__(
    ".text\n"
    ".balign 16\n"
    ".hidden odd_server_stubs\n"
    ".globl odd_server_stubs\n"
    "odd_server_stubs:\n"
    ".set number, 0\n"
    ".rept 512\n"
    "   .balign 16\n"
    "   endbr64\n"
    "   pushq $number\n"
    "   jmp odd_server_stub\n"
    "   .set number, number + 1\n"
    ".endr\n"
    "odd_server_stub:\n"
    "   pushq %rax\n   pushq %rdi\n   pushq %rsi\n   pushq %rdx\n"
    "   pushq %rcx\n   pushq %r8\n    pushq %r9\n    pushq %r10\n"
    "   subq $128, %rsp\n"
    "   movups %xmm0, (%rsp)\n    movups %xmm1, 16(%rsp)\n  movups %xmm2, 32(%rsp)\n  movups %xmm3, 48(%rsp)\n"
    "   movups %xmm4, 64(%rsp)\n  movups %xmm5, 80(%rsp)\n  movups %xmm6, 96(%rsp)\n  movups %xmm7, 112(%rsp)\n"
    "   movq 192(%rsp), %rdi\n"
    "   call odd_server_call\n"
    "   movq %rax, %r11\n"
    "   movups (%rsp), %xmm0\n    movups 16(%rsp), %xmm1\n  movups 32(%rsp), %xmm2\n  movups 48(%rsp), %xmm3\n"
    "   movups 64(%rsp), %xmm4\n  movups 80(%rsp), %xmm5\n  movups 96(%rsp), %xmm6\n  movups 112(%rsp), %xmm7\n"
    "   addq $128, %rsp\n"
    "   popq %r10\n   popq %r9\n    popq %r8\n    popq %rcx\n"
    "   popq %rdx\n   popq %rsi\n   popq %rdi\n   popq %rax\n"
    "   addq $8, %rsp\n"
    "   jmp *%r11\n");
/* clang-format on */
extern const char odd_server_stubs[] __attribute__((visibility("hidden")));

/* ---- placing the stubs ---- */

typedef struct Program {
    uintptr_t start, end; /* of the server's code */
    uintptr_t base;
    const ElfW(Dyn) * dynamic;
} Program;

static bool is_harmless(const char* name)
{
    for (int i = 0; i < lengthof(kHarmless); i++)
        if (strcmp(kHarmless[i], name) == 0)
            return true;
    return false;
}

static Kind kind_of(const char* name, uintptr_t target, const Program* server, bool is_server)
{
    if (is_server)
        return strcmp(name, "malloc") == 0 || strcmp(name, "realloc") == 0 ? MALLOC : NEVER;
    if (strcmp(name, "_Znwm") == 0)
        return NEW;
    if (strncmp(name, "SHA256_", 7) == 0)
        return CRYPTO;
    if (target >= server->start && target < server->end && !is_harmless(name))
        return SERVER;
    return NEVER;
}

/* Puts stubs before the functions of one table of relocations. */
static void place(const Program* program, const ElfW(Rela) * relocations, size_t bytes,
                  const ElfW(Sym) * symbols, const char* strings, const Program* server)
{
    for (size_t i = 0; i < bytes / sizeof(*relocations); i++) {
        const char* name = strings + symbols[ELF64_R_SYM(relocations[i].r_info)].st_name;
        uintptr_t type = ELF64_R_TYPE(relocations[i].r_info);
        uintptr_t* slot = (uintptr_t*)(program->base + relocations[i].r_offset);
        uintptr_t page = (uintptr_t)slot & ~(uintptr_t)4095;
        Kind kind;

        if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT)
            continue;
        if (strcmp(name, "_ZSt17__throw_bad_allocv") == 0)
            throw_bad_alloc = *slot;
        kind = kind_of(name, *slot, server, program == server);
        if (kind == NEVER)
            continue;
        if (stub_count == MAX_STUBS)
            elog(ERROR, "odd_server.c has too few stubs");
        stubs[stub_count].name = name;
        stubs[stub_count].target = *slot;
        stubs[stub_count].kind = kind;
        if (mprotect((void*)page, 4096, PROT_READ | PROT_WRITE) != 0)
            elog(ERROR, "mprotect: %m");
        *slot = (uintptr_t)&odd_server_stubs[(size_t)STUB_BYTES * stub_count++];
    }
}

static void place_stubs(const Program* program, const Program* server)
{
    const ElfW(Rela) * tables[2] = {NULL, NULL};
    size_t bytes[2] = {0, 0};
    const ElfW(Sym)* symbols = NULL;
    const char* strings = NULL;

    for (const ElfW(Dyn)* entry = program->dynamic; entry->d_tag != DT_NULL; entry++)
        switch (entry->d_tag) {
        case DT_RELA:
            tables[0] = (const ElfW(Rela)*)entry->d_un.d_ptr;
            break;
        case DT_RELASZ:
            bytes[0] = entry->d_un.d_val;
            break;
        case DT_JMPREL:
            tables[1] = (const ElfW(Rela)*)entry->d_un.d_ptr;
            break;
        case DT_PLTRELSZ:
            bytes[1] = entry->d_un.d_val;
            break;
        case DT_SYMTAB:
            symbols = (const ElfW(Sym)*)entry->d_un.d_ptr;
            break;
        case DT_STRTAB:
            strings = (const char*)entry->d_un.d_ptr;
            break;
        }
    for (int i = 0; i < lengthof(tables); i++)
        place(program, tables[i], bytes[i], symbols, strings, server);
}

/* Found by dl_iterate_phdr: the server, which comes first, and the plugin. */
static Program programs[2];

static int look(struct dl_phdr_info* info, size_t size, void* first)
{
    bool is_plugin = strstr(info->dlpi_name, "/wal2lake.so") != NULL;
    Program* program = &programs[is_plugin ? 1 : 0];

    if (!is_plugin && !*(bool*)first)
        return 0;
    *(bool*)first = false;
    program->base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr)* header = &info->dlpi_phdr[i];

        if (header->p_type == PT_DYNAMIC)
            program->dynamic = (const ElfW(Dyn)*)(info->dlpi_addr + header->p_vaddr);
        if (header->p_type == PT_LOAD && (header->p_flags & PF_X) != 0) {
            program->start = info->dlpi_addr + header->p_vaddr;
            program->end = program->start + header->p_memsz;
        }
    }
    return 0;
}

static void place_all(void)
{
    bool first = true;

    if (stub_count > 0)
        return;
    dl_iterate_phdr(look, &first);
    if (programs[1].dynamic == NULL)
        elog(ERROR, "wal2lake is not loaded");
    place_stubs(&programs[1], &programs[0]);
    place_stubs(&programs[0], &programs[0]);
    if (throw_bad_alloc == 0)
        elog(ERROR, "the plugin cannot throw std::bad_alloc");
}

/* ---- functions ---- */

/* arm(kind text, call bigint, sqlstate text): that call of the kind will fail, once; 0: none, they are counted. */
Datum odd_server_arm(PG_FUNCTION_ARGS)
{
    char* kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
    char* state = text_to_cstring(PG_GETARG_TEXT_PP(2));
    Kind wanted = NEVER;

    for (int i = 0; i < lengthof(kKinds); i++)
        if (strcmp(kKinds[i].name, kind) == 0)
            wanted = kKinds[i].kind;
    if (wanted == NEVER || strlen(state) != 5)
        elog(ERROR, "no such kind, or no SQLSTATE");
    place_all();
    planted = MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
    left = PG_GETARG_INT64(1);
    counted = 0;
    failed_in = NULL;
    for (int i = 0; i < stub_count; i++)
        stubs[i].calls = 0;
    armed = wanted;
    PG_RETURN_VOID();
}

/* disarm() returns text: where it failed, NULL if it did not. */
Datum odd_server_disarm(PG_FUNCTION_ARGS)
{
    armed = NEVER;
    if (failed_in == NULL)
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text(failed_in));
}

/* calls(name text) returns bigint: how often that function was called since arm(); NULL: all. */
Datum odd_server_calls(PG_FUNCTION_ARGS)
{
    int64 calls = 0;

    if (PG_ARGISNULL(0))
        PG_RETURN_INT64(counted);
    for (int i = 0; i < stub_count; i++)
        if (strcmp(stubs[i].name, text_to_cstring(PG_GETARG_TEXT_PP(0))) == 0)
            calls += (int64)stubs[i].calls;
    PG_RETURN_INT64(calls);
}

/* malloced() returns bigint: bytes that malloc has given out in this process, to the server and to the plugin. */
Datum odd_server_malloced(PG_FUNCTION_ARGS)
{
    struct mallinfo2 info = mallinfo2();

    PG_RETURN_INT64((int64)(info.uordblks + info.hblkhd));
}
