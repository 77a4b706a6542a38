/*
 * Memory contexts of which every piece is a block of malloc, for a memory checker: it knows
 * the ends of those, and when they are freed. Those of the server hand out parts of blocks.
 *
 * Preloaded into the server, for a plugin that was built to call this in the place of
 * AllocSetContextCreateInternal (tools/dev/memory_check.py). For PostgreSQL 15: later ones
 * take no foreign kind of context.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "nodes/memnodes.h"
#include "utils/memutils.h"

typedef struct OddContext {
    MemoryContextData header;
    dlist_head pieces;
} OddContext;

/* The server finds the context of a piece right before it. */
typedef struct Piece {
    dlist_node node;
    Size size;
    MemoryContext context;
} Piece;

extern PGDLLEXPORT MemoryContext odd_context_create(MemoryContext parent, const char* name,
                                                    Size minContextSize, Size initBlockSize,
                                                    Size maxBlockSize);

static Piece* piece_of(void* pointer)
{
    return (Piece*)((char*)pointer - sizeof(Piece));
}

static void* take(MemoryContext context, Size size)
{
    Piece* piece = malloc(sizeof(Piece) + size);

    if (piece == NULL)
        return NULL;
    piece->size = size;
    piece->context = context;
    dlist_push_tail(&((OddContext*)context)->pieces, &piece->node);
    context->mem_allocated += sizeof(Piece) + size;
    return piece + 1;
}

static void give_back(MemoryContext context, void* pointer)
{
    Piece* piece = piece_of(pointer);

    context->mem_allocated -= sizeof(Piece) + piece->size;
    dlist_delete(&piece->node);
    free(piece);
}

/* Moves it always, so that who kept the old address is found out. */
static void* resize(MemoryContext context, void* pointer, Size size)
{
    void* moved = take(context, size);

    if (moved == NULL)
        return NULL;
    memcpy(moved, pointer, Min(size, piece_of(pointer)->size));
    give_back(context, pointer);
    return moved;
}

static void reset(MemoryContext context)
{
    OddContext* odd = (OddContext*)context;

    while (!dlist_is_empty(&odd->pieces))
        give_back(context, dlist_container(Piece, node, dlist_head_node(&odd->pieces)) + 1);
}

static void delete_context(MemoryContext context)
{
    reset(context);
    free(context);
}

static Size space_of(MemoryContext context, void* pointer)
{
    return sizeof(Piece) + piece_of(pointer)->size;
}

static bool is_empty(MemoryContext context)
{
    return dlist_is_empty(&((OddContext*)context)->pieces);
}

static void stats(MemoryContext context, MemoryStatsPrintFunc printfunc, void* passthru,
                  MemoryContextCounters* totals, bool print_to_stderr)
{
    if (totals != NULL)
        totals->totalspace += context->mem_allocated;
}

static const MemoryContextMethods kMethods = {take,           give_back, resize,   reset,
                                              delete_context, space_of,  is_empty, stats};

MemoryContext odd_context_create(MemoryContext parent, const char* name, Size minContextSize,
                                 Size initBlockSize, Size maxBlockSize)
{
    OddContext* context = malloc(sizeof(OddContext));

    if (context == NULL)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    dlist_init(&context->pieces);
    MemoryContextCreate(&context->header, T_AllocSetContext, &kMethods, parent, name);
    return &context->header;
}
