// Judges what `wal2lake doctor` saw: facts in, findings with their fixes out. No
// I/O. What a run would refuse is asked of fence.cpp, so that the two agree.
#pragma once

#include <string>
#include <vector>

#include "doctor_codes.h"
#include "doctor_facts.h"

namespace wal2lake
{

// One step of a fix. All but kAdvice and kRestart can be pasted as they are.
struct Fix {
    enum class Kind {
        // For psql, as superuser, in the source's database.
        kSql,
        // For a shell on the host that runs this command.
        kShell,
        // For a shell on the database host.
        kServerShell,
        // A line for the source's stanza, in place of the key's former one.
        kConfig,
        // A line to put above the others of the file.
        kPgHba,
        kPgIdent,
        // Restart the server.
        kRestart,
        // A sentence, where the right line cannot be known from here.
        kAdvice,
    };

    Kind kind = Kind::kAdvice;
    std::string text;
};

std::string_view NameOf(Fix::Kind kind);

struct Finding {
    Code code = Code::kConfigInvalid;
    // Empty where it is about the configuration as a whole.
    std::string source;
    std::string object;
    // Lower case, no full stop.
    std::string sentence;
    std::vector<Fix> fixes;
};

// What is wrong with the configuration file or the options, as one finding.
Finding JudgeConfigError(const std::string& path, const std::string& error);

// Findings of all sources, errors first.
std::vector<Finding> Judge(const std::vector<SourceReport>& reports);

} // namespace wal2lake
