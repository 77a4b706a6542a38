// A store whose requests can be lost, repeated and late, and nothing else: what
// it says of an object is true when it says it.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "machine_events.h"

namespace wal2lake::simulation
{

class FakeLake
{
  public:
    // True where the object was created, false where the name was taken.
    bool Put(const std::string& name, const Bytes& bytes) { return objects_.try_emplace(name, bytes).second; }
    void Overwrite(const std::string& name, const std::string& bytes);
    void Remove(const std::string& name) { objects_.erase(name); }

    std::optional<std::string> ReadHint(const std::string& name) const;
    Result<Bytes> Read(const std::string& name) const;
    // At most `limit` names, as the contract of List has it.
    ListPage List(const std::string& prefix, const std::string& after, size_t limit) const;

    // Puts that nobody waits for any more and that may arrive yet.
    std::deque<action::PutObject> late;

  private:
    std::map<std::string, Bytes> objects_;
};

} // namespace wal2lake::simulation
