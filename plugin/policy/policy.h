/*
 * What the policy library offers to the plugin, within one backend.
 *
 * The library is preloaded by the postmaster; the plugin is loaded by processes
 * that decode. They meet through a rendezvous variable, so that neither links
 * the other, and so that the plugin can tell that preloading took place.
 */
#ifndef WAL2LAKE_POLICY_H
#define WAL2LAKE_POLICY_H

#include "catalog/objectaddress.h"

/* Name of the label provider: SECURITY LABEL FOR wal2lake. */
#define WAL2LAKE_PROVIDER "wal2lake"
/* find_rendezvous_variable() of this name points to a Wal2lakePolicy, or is NULL. */
#define WAL2LAKE_POLICY_RENDEZVOUS "wal2lake_policy"
#define WAL2LAKE_POLICY_VERSION 3

typedef struct Wal2lakePolicy {
    int version; /* WAL2LAKE_POLICY_VERSION of the library */
    /* wal2lake.key_file as configured now; "" where none is set. */
    const char* (*key_file)(void);
    /* True if the role is a superuser or has the privileges of wal2lake.admin_role. */
    bool (*is_admin)(Oid role);
    /* True if wal2lake.message_prefixes names the prefix of a logical message, now. */
    bool (*message_may_leave)(const char* prefix);
    /* Stores a label as SECURITY LABEL does: judged by whose rights are in force, and told. The caller has
     * locked the object, and asks who owns it. */
    void (*set_label)(const ObjectAddress* object, const char* label);
} Wal2lakePolicy;

#endif
