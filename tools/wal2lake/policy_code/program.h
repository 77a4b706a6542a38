// Runs another program and takes what it says. Without a shell: nothing in an argument is
// obeyed. For revision.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "result.h"

namespace wal2lake
{

struct ProgramResult {
    // 128 and its number where a signal ended it.
    int exit_code = 0;
    std::string output;
    std::string errors;
};

// arguments[0] is looked for in PATH; `input` is all that it can read. Without the variables of
// the environment named in `unset`. Waits for its end. kNotFound where there is no such program.
Result<ProgramResult> RunProgram(const std::vector<std::string>& arguments, std::string_view input,
                                 const std::vector<std::string>& unset);

} // namespace wal2lake
