/*
 * Shows records of the stream as lines of text: what stands between the first and
 * the last line of a batch (frame_text.h).
 */
#ifndef WAL2LAKE_CORE_RECORD_TEXT_H
#define WAL2LAKE_CORE_RECORD_TEXT_H

#include "core/frame_reader.h"
#include "core/text_lines.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace wal2lake
{

/* What a change needs to be shown of its relation. */
struct KnownColumn {
    uint32_t attnum = 0;
    std::string name;
    bool is_key = false;
};
struct KnownRelation {
    std::string name;
    std::vector<KnownColumn> columns;
};
using Relations = std::map<uint32_t, KnownRelation>;

/* Adds the lines of a record, and to `*relations` what it announces. Damage is told to `lines`. */
void AddRecord(const RecordView& record, Relations* relations, Lines* lines);

} // namespace wal2lake

#endif
