// Tables of what a server may answer and what a driver must make of it: one row an
// answer, one server for each.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "scripted_server.h"
#include "store/store.h"

namespace wal2lake
{

struct AnswerCase {
    const char* name;
    ScriptedReply reply;
    ErrorKind kind;
    // Must be in the text.
    std::string says;
};

using StoreOperation = std::function<std::optional<Error>(Store& store)>;

template <typename T>
std::optional<Error> ErrorOf(const Result<T>& result)
{
    return result.ok() ? std::nullopt : std::optional(result.error());
}

// `Rig` is made of a script and has a store(). Each error must name the `place` of
// the lake; `expect_silent` judges what else may not be in it.
template <typename Rig>
void JudgeAnswers(const char* operation, const StoreOperation& run, const std::vector<AnswerCase>& cases,
                  const char* place, void (*expect_silent)(const std::string& text))
{
    for (const AnswerCase& one : cases) {
        SCOPED_TRACE(std::string(operation) + ": " + one.name);
        Rig rig([&](const SeenRequest&, size_t) { return one.reply; });
        const auto error = run(rig.store());
        if (!error) {
            ADD_FAILURE() << "succeeded";
            continue;
        }
        EXPECT_EQ(error->kind, one.kind) << error->text;
        EXPECT_NE(error->text.find(one.says), std::string::npos) << error->text;
        EXPECT_NE(error->text.find(place), std::string::npos) << error->text;
        EXPECT_LT(error->text.size(), 600U);
        expect_silent(error->text);
    }
}

} // namespace wal2lake
