// The golden messages of regress/golden, for the tests that read or rebuild them.
#pragma once

#include <string>
#include <vector>

#include "wal2lake/v1/wal2lake.pb.h"

namespace wal2lake::golden
{

// Names of the folders in regress/golden, sorted. Fails the running test if there are none.
std::vector<std::string> Cases();

// Content of a file of a case; fails the running test and answers "" if it cannot be read.
std::string Read(const std::string& name, const std::string& file);

// The batches of a case, parsed by protoc's classes from their text.
std::vector<v1::Batch> BatchesFromText(const std::string& name);

// The batches of a stream of messages, taken apart by protoc's classes and libxxhash alone. Fails the running
// test where a length, a checksum or a message is wrong.
std::vector<v1::Batch> BatchesFromBytes(const std::string& bytes);

// A message with that batch in it, of protoc's making.
std::string MessageAround(const std::string& batch);

} // namespace wal2lake::golden
