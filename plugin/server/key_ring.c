/*
 * The keys of a decoding process: read at startup, and again after a reload of the
 * server's configuration, through one descriptor; kept in memory that is locked,
 * left out of core dumps and not inherited by a child, and wiped when the decoding
 * context goes, also after an ERROR.
 *
 * What is derived from them for a domain lives in core's tokenizers, which are
 * freed then, and wipe it.
 */
#include "server/plugin.h"

#include <sys/mman.h>

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

struct KeyRing {
    w2l_key_set* keys;                       /* in its own mapping; NULL where no file is configured */
    w2l_tokenizer* tokenizers[W2L_MAX_KEYS]; /* by position in keys, made at first use */
    char checks[W2L_MAX_KEYS][W2L_CHECK_DIGITS + 1];
    const Wal2lakePolicy* policy;
    TimestampTz configured_at; /* when the configuration was loaded that the keys were read under */
    w2l_key_set* incoming;     /* what is read anew, until it takes the place of keys */
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

static void unmap_keys(w2l_key_set** keys)
{
    if (*keys == NULL)
        return;
    w2l_wipe(*keys, sizeof(w2l_key_set));
    munmap(*keys, sizeof(w2l_key_set));
    *keys = NULL;
}

static void wipe_keys(void* argument)
{
    KeyRing* ring = argument;

    key_ring_forget_domains(ring);
    unmap_keys(&ring->keys);
    unmap_keys(&ring->incoming);
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

/* Reads the file that is configured into incoming, which stays NULL if there is none; false and why if it is unfit. */
static bool read_incoming(KeyRing* ring, char* reason, size_t reason_size)
{
    const char* path = ring->policy->key_file();

    ring->configured_at = PgReloadTime;
    if (path[0] == '\0')
        return true;
    ring->incoming = map_keys();
    return w2l_key_file_read(path, DataDir, ring->incoming, reason, reason_size);
}

/* What was read takes the place of what was there, which is wiped. */
static void accept_incoming(KeyRing* ring)
{
    char checks[W2L_MAX_KEYS][W2L_CHECK_DIGITS + 1] = {{0}};

    for (size_t i = 0; ring->incoming != NULL && i < ring->incoming->count; i++)
        report_status(w2l_key_check(ring->incoming->keys[i].secret, checks[i]), "checking the keys");
    key_ring_forget_domains(ring);
    unmap_keys(&ring->keys);
    ring->keys = ring->incoming;
    ring->incoming = NULL;
    memcpy(ring->checks, checks, sizeof(checks));
}

KeyRing* key_ring_load(MemoryContext owner, const Wal2lakePolicy* policy)
{
    KeyRing* ring = MemoryContextAllocZero(owner, sizeof(KeyRing));
    char reason[600];

    ring->policy = policy;
    ring->wipe.func = wipe_keys;
    ring->wipe.arg = ring;
    MemoryContextRegisterResetCallback(owner, &ring->wipe);
    if (!read_incoming(ring, reason, sizeof(reason)))
        ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("%s", reason)));
    accept_incoming(ring);
    return ring;
}

/* Id of a key that both sets have, with other bytes; or NULL. */
static const char* changed_key(const w2l_key_set* before, const w2l_key_set* after)
{
    for (size_t i = 0; before != NULL && after != NULL && i < before->count; i++) {
        const w2l_key* key = w2l_key_find(after, before->keys[i].id);

        if (key != NULL && memcmp(key->secret, before->keys[i].secret, sizeof(key->secret)) != 0)
            return before->keys[i].id;
    }
    return NULL;
}

bool key_ring_is_outdated(const KeyRing* ring)
{
    return ring->configured_at != PgReloadTime;
}

void key_ring_reload(KeyRing* ring)
{
    char reason[600];
    bool fit = read_incoming(ring, reason, sizeof(reason));
    const char* changed = fit ? changed_key(ring->keys, ring->incoming) : NULL;

    if (changed != NULL) {
        snprintf(reason, sizeof(reason), "key \"%s\" of the key file has other bytes than before", changed);
        fit = false;
    }
    if (fit) {
        accept_incoming(ring);
        return;
    }
    unmap_keys(&ring->incoming);
    ereport(LOG, (errmsg("wal2lake goes on with the keys that it has: %s", reason),
                  errhint("Mend the key file and reload the server. Other bytes need another id.")));
}

size_t key_ring_count(const KeyRing* ring)
{
    return ring->keys != NULL ? ring->keys->count : 0;
}

const char* key_ring_id(const KeyRing* ring, size_t position)
{
    return ring->keys->keys[position].id;
}

const char* key_ring_check(const KeyRing* ring, size_t position)
{
    return ring->checks[position];
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

bool key_ring_has(const KeyRing* ring, const char* key_id)
{
    return ring->keys != NULL && w2l_key_find(ring->keys, key_id) != NULL;
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
