/*
 * The keys of a decoding process: read once at startup through one descriptor,
 * kept in memory that is locked, left out of core dumps and not inherited by a
 * child, and wiped when the decoding context goes, also after an ERROR.
 *
 * What is derived from them for a domain lives in core's tokenizers, which are
 * freed then, and wipe it.
 */
#include "server/plugin.h"

#include <sys/mman.h>

#include "miscadmin.h"
#include "utils/memutils.h"

struct KeyRing {
    w2l_key_set* keys;                       /* in its own mapping; NULL where no file is configured */
    w2l_tokenizer* tokenizers[W2L_MAX_KEYS]; /* by position in keys, made at first use */
    char checks[W2L_MAX_KEYS][W2L_CHECK_DIGITS + 1];
    MemoryContextCallback wipe;
};

size_t key_ring_domains(const KeyRing* ring)
{
    size_t count = 0;

    for (int i = 0; i < W2L_MAX_KEYS; i++)
        if (ring->tokenizers[i] != NULL)
            count += w2l_tokenizer_domains(ring->tokenizers[i]);
    return count;
}

void key_ring_forget_domains(KeyRing* ring)
{
    for (int i = 0; i < W2L_MAX_KEYS; i++)
        if (ring->tokenizers[i] != NULL) {
            w2l_tokenizer_free(ring->tokenizers[i]);
            ring->tokenizers[i] = NULL;
        }
}

static void wipe_keys(void* argument)
{
    KeyRing* ring = argument;

    key_ring_forget_domains(ring);
    if (ring->keys != NULL) {
        w2l_wipe(ring->keys, sizeof(w2l_key_set));
        munmap(ring->keys, sizeof(w2l_key_set));
    }
}

static w2l_key_set* map_keys(void)
{
    w2l_key_set* keys =
        mmap(NULL, sizeof(w2l_key_set), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (keys == MAP_FAILED)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("could not allocate memory for keys: %m")));
    if (mlock(keys, sizeof(w2l_key_set)) != 0)
        ereport(LOG, (errmsg("wal2lake: memory of keys could not be locked and may be swapped out: %m"),
                      errhint("Raise the locked memory limit of the server's user.")));
    (void)madvise(keys, sizeof(w2l_key_set), MADV_DONTDUMP);
    (void)madvise(keys, sizeof(w2l_key_set), MADV_WIPEONFORK);
    return keys;
}

KeyRing* key_ring_load(MemoryContext owner, const Wal2lakePolicy* policy)
{
    KeyRing* ring = MemoryContextAllocZero(owner, sizeof(KeyRing));
    const char* path = policy->key_file();
    char reason[600];

    if (path[0] == '\0')
        return ring;
    ring->wipe.func = wipe_keys;
    ring->wipe.arg = ring;
    MemoryContextRegisterResetCallback(owner, &ring->wipe);
    ring->keys = map_keys();
    if (!w2l_key_file_read(path, DataDir, ring->keys, reason, sizeof(reason)))
        ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("%s", reason)));
    for (size_t i = 0; i < ring->keys->count; i++)
        report_status(w2l_key_check(ring->keys->keys[i].secret, ring->checks[i]), "checking the keys");
    return ring;
}

/* Position of the key of that id, or -1. */
static int find_key(KeyRing* ring, const char* id)
{
    const w2l_key* key = w2l_key_find(ring->keys, id);

    return key != NULL ? (int)(key - ring->keys->keys) : -1;
}

/* Id of the key a database label names, or NULL if it names none that is known. */
static const char* labelled_key(KeyRing* ring, const char* text)
{
    w2l_database_label label;
    int position;

    if (text == NULL || !w2l_parse_database_label(text, strlen(text), &label, NULL, 0))
        return NULL;
    position = find_key(ring, label.key_id);
    if (position < 0)
        return NULL;
    if (label.check[0] != '\0' && strcmp(label.check, ring->checks[position]) != 0)
        ereport(
            ERROR,
            (errcode(ERRCODE_CONFIG_FILE_ERROR),
             errmsg("key \"%s\" of the key file is not the key that the database label means", label.key_id),
             errdetail("Its check digits are %s, the label says %s.", ring->checks[position], label.check),
             errhint("Copy the key file from the server that made the tokens so far, or correct the "
                     "label of the database.")));
    return ring->keys->keys[position].id;
}

const char* key_ring_choose(KeyRing* ring, const char* then, const char* now)
{
    const char* id;

    if (ring->keys == NULL)
        return NULL;
    id = labelled_key(ring, then);
    if (id == NULL)
        id = labelled_key(ring, now);
    if (id != NULL)
        return id;
    if (then != NULL || now != NULL)
        ereport(ERROR,
                (errcode(ERRCODE_CONFIG_FILE_ERROR),
                 errmsg("the key that the database label names is not in the key file"),
                 errhint("Add it to the file wal2lake.key_file, or correct the label of the database.")));
    if (ring->keys->count > 1)
        ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
                        errmsg("the key file holds several keys and the database does not say which to use"),
                        errhint("SECURITY LABEL FOR wal2lake ON DATABASE ... IS 'key=...';")));
    return ring->keys->keys[0].id;
}

const w2l_domain* key_ring_domain(KeyRing* ring, const char* key_id, const char* domain)
{
    int position = find_key(ring, key_id);
    const w2l_domain* answer = NULL;

    if (ring->tokenizers[position] == NULL)
        report_status(w2l_tokenizer_new(ring->keys->keys[position].secret, &ring->tokenizers[position]),
                      "setting up a key");
    report_status(w2l_tokenizer_domain(ring->tokenizers[position], domain, strlen(domain), &answer),
                  "deriving the key of a domain");
    return answer;
}
