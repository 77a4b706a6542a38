// What files were at a revision of git, for `policy check --since`. Asks the program git, in
// the repository that a folder is in, whatever a hook's environment says. Nothing of the
// repository's own configuration is run: only objects are listed and read.
#pragma once

#include <optional>
#include <string>

#include "policy_code/document.h"
#include "result.h"

namespace wal2lake
{

// The commit, all of its name, that a revision is in the repository of `folder`. Errors as below.
Result<std::string> CommitOf(const std::string& folder, const std::string& revision);

// The documents below `folder` as they were, as ReadDocuments() would have read them; none where the
// folder was not there yet. Links are not followed. Errors, with a sentence: no git, no repository,
// no such revision. Four processes, however many documents.
Result<Documents> DocumentsAt(const std::string& folder, const std::string& revision);

// The bytes of a file as they were; nullopt where it was not there. Errors as above.
Result<std::optional<std::string>> FileAt(const std::string& file, const std::string& revision);

} // namespace wal2lake
