#include "policy_code/revision.h"

#include <algorithm>
#include <cstdlib>

#include <gtest/gtest.h>

#include <stdlib.h>
#include <sys/stat.h>

#include "../folder.h"
#include "policy_code/command.h"
#include "policy_code/program.h"

namespace wal2lake
{
namespace
{

// A variable of the environment, as long as the test runs.
class Variable
{
  public:
    Variable(const char* name, const std::string& value) : name_(name)
    {
        const char* before = std::getenv(name);
        had_ = before != nullptr;
        before_ = had_ ? before : "";
        ::setenv(name, value.c_str(), 1);
    }
    ~Variable()
    {
        if (had_)
            ::setenv(name_, before_.c_str(), 1);
        else
            ::unsetenv(name_);
    }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

  private:
    const char* name_;
    bool had_;
    std::string before_;
};

class PolicyRevision : public testing::Test
{
  protected:
    void SetUp() override { Git({"init", "-q"}); }

    std::string Git(std::vector<std::string> arguments)
    {
        const std::vector<std::string> front{
            "git", "-C", folder_.path(), "-c", "user.name=t", "-c", "user.email=t@example.org"};
        arguments.insert(arguments.begin(), front.begin(), front.end());
        const Result<ProgramResult> ran = RunProgram(arguments, {}, {});
        EXPECT_TRUE(ran.ok()) << ran.error().text;
        EXPECT_EQ(ran.value().exit_code, 0) << ran.value().errors;
        return ran.value().output;
    }

    void Commit()
    {
        Git({"add", "-A"});
        Git({"commit", "-q", "-m", "x"});
    }

    // Nobody's own configuration.
    Variable global_{"GIT_CONFIG_GLOBAL", "/dev/null"};
    Variable system_{"GIT_CONFIG_SYSTEM", "/dev/null"};
    Variable language_{"LC_ALL", "C"};
    Folder folder_;
};

TEST_F(PolicyRevision, DocumentsAreWhatTheyWere)
{
    folder_.Write("top.yml", "top");
    folder_.Write("db/policy/rules.yml", "rules:\n");
    folder_.Write("db/policy/public/same.yml", "same");
    folder_.Write("db/policy/public/changed.yml", "before\r\n\nend");
    folder_.Write("db/policy/public/gone.yaml", "");
    folder_.Write("db/policy/public/\xc3\xa9 \"\n.yml", "odd");
    folder_.Write("db/policy/.hidden/x.yml", "no");
    folder_.Write("db/policy/README.md", "no");
    std::filesystem::create_symlink("rules.yml", folder_.path() + "/db/policy/link.yml");
    Commit();
    folder_.Write("db/policy/public/changed.yml", "after");
    folder_.Write("db/policy/public/new.yml", "new");
    std::filesystem::remove(folder_.path() + "/db/policy/public/gone.yaml");
    const Documents then{{"public/changed.yml", "before\r\n\nend"},
                         {"public/gone.yaml", ""},
                         {"public/same.yml", "same"},
                         {"public/\xc3\xa9 \"\n.yml", "odd"},
                         {"rules.yml", "rules:\n"}};
    const Result<Documents> before = DocumentsAt(folder_.path() + "/db/policy", "HEAD");
    ASSERT_TRUE(before.ok()) << before.error().text;
    EXPECT_EQ(before.value(), then);
    Commit();
    EXPECT_EQ(DocumentsAt(folder_.path() + "/db/policy/", "HEAD~1").value(), then);
    const Result<Documents> now = DocumentsAt(folder_.path() + "/db/policy", "HEAD");
    EXPECT_EQ(now.value().at("public/changed.yml"), "after");
    EXPECT_EQ(now.value().count("public/gone.yaml"), 0U);
    EXPECT_EQ(DocumentsAt(folder_.path(), "HEAD").value().count("top.yml"), 1U);
    folder_.Write("added/later.yml", "x");
    EXPECT_TRUE(DocumentsAt(folder_.path() + "/added", "HEAD").value().empty());
}

TEST_F(PolicyRevision, AFileIsWhatItWas)
{
    folder_.Write("db/structure.sql", "CREATE TABLE a ();\n");
    folder_.Write("db/x/structure.sql", "another");
    folder_.Write("odd:(top)*\n", "odd");
    Commit();
    folder_.Write("db/structure.sql", "changed");
    EXPECT_EQ(FileAt(folder_.path() + "/db/structure.sql", "HEAD").value(), "CREATE TABLE a ();\n");
    EXPECT_EQ(FileAt(folder_.path() + "/odd:(top)*\n", "HEAD").value(), "odd");
    EXPECT_EQ(FileAt(folder_.path() + "/db/none.sql", "HEAD").value(), std::nullopt);
    EXPECT_EQ(FileAt(folder_.path() + "/db/x", "HEAD").value(), std::nullopt);
}

TEST_F(PolicyRevision, WhatIsNotThereIsSaid)
{
    folder_.Write("a.yml", "a");
    Commit();
    const std::string there = folder_.path();
    for (const std::string& revision :
         {std::string("nothing"), std::string("--help"), std::string("-"), std::string(),
          std::string("HEAD..HEAD"), std::string("^HEAD"), std::string("a\0b", 3),
          std::string("--output=/tmp/x"), std::string("HEAD:a.yml")}) {
        const Result<Documents> documents = DocumentsAt(there, revision);
        ASSERT_FALSE(documents.ok()) << revision;
        EXPECT_EQ(documents.error().kind, ErrorKind::kInvalid) << revision;
        EXPECT_EQ(documents.error().text, "\"" + revision + "\" is no revision of the git repository of \"" +
                                              there +
                                              "\"; fetch it first, such as with git fetch origin main");
        EXPECT_FALSE(FileAt(there + "/a.yml", revision).ok());
    }
    const Folder outside;
    const Result<Documents> nowhere = DocumentsAt(outside.path(), "HEAD");
    ASSERT_FALSE(nowhere.ok());
    EXPECT_EQ(nowhere.error().kind, ErrorKind::kPermanent);
    EXPECT_EQ(nowhere.error().text.find("cannot ask git about \"" + outside.path() +
                                        "\": fatal: not a git repository"),
              0U)
        << nowhere.error().text;
    EXPECT_NE(DocumentsAt(there + "/none", "HEAD").error().text.find("cannot change to"), std::string::npos);
    const Variable path("PATH", outside.path());
    EXPECT_EQ(DocumentsAt(there, "HEAD").error().text,
              "a revision is read by the program git, which is not there; install it");
}

// The variables that git gives its hooks are about another folder.
TEST_F(PolicyRevision, HooksMayAsk)
{
    folder_.Write("policy/a.yml", "a");
    Commit();
    const Variable repository("GIT_DIR", ".git");
    const Variable index("GIT_INDEX_FILE", ".git/index");
    const Result<Documents> documents = DocumentsAt(folder_.path() + "/policy", "HEAD");
    ASSERT_TRUE(documents.ok()) << documents.error().text;
    EXPECT_EQ(documents.value(), (Documents{{"a.yml", "a"}}));
}

TEST_F(PolicyRevision, ManyDocumentsTakeFewProcesses)
{
    Documents written;
    for (int i = 0; i < 1'000; i++) {
        // Together more than a pipe holds.
        written["public/t" + std::to_string(i) + ".yml"] =
            "table: t\n" + std::string(500, '#') + std::to_string(i);
        folder_.Write("public/t" + std::to_string(i) + ".yml",
                      written["public/t" + std::to_string(i) + ".yml"]);
    }
    Commit();
    const std::string path = std::getenv("PATH");
    const Folder counting;
    counting.Write("git", "#!/bin/sh\necho called >> \"$0.calls\"\nPATH='" + path + "'\nexec git \"$@\"\n");
    ASSERT_EQ(::chmod((counting.path() + "/git").c_str(), 0700), 0);
    const Variable shadowed("PATH", counting.path() + ":" + path);
    EXPECT_EQ(DocumentsAt(folder_.path(), "HEAD").value(), written);
    std::ifstream calls(counting.path() + "/git.calls");
    const std::string lines{std::istreambuf_iterator<char>(calls), {}};
    EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 4);
}

class PolicySince : public PolicyRevision
{
  protected:
    void SetUp() override
    {
        PolicyRevision::SetUp();
        folder_.Write("policy/users.yml", "table: users\ncolumns:\n  seen: green\n  left: green\n");
    }

    // What `policy check --since HEAD` says.
    std::string Check(const std::vector<std::string>& dictionaries, int code)
    {
        PolicyCheckOptions options;
        options.folder = folder_.path() + "/policy";
        options.dictionaries = dictionaries;
        options.since = "HEAD";
        testing::internal::CaptureStdout();
        EXPECT_EQ(RunPolicyCheck(options), code);
        return testing::internal::GetCapturedStdout();
    }
};

TEST_F(PolicySince, DictionariesAreWhatTheyWere)
{
    const std::string dictionary = folder_.path() + "/dictionary";
    folder_.Write("dictionary/users.yml", "table: users\nignored_columns: [seen]\n");
    Commit();
    EXPECT_EQ(Check({dictionary}, 0).find("ignored-column"), std::string::npos) << "it was ignored before";
    folder_.Write("dictionary/users.yml", "table: users\nignored_columns: [seen, left]\n");
    const std::string said = Check({dictionary}, 2);
    EXPECT_NE(said.find("ignored-column: public.users.left"), std::string::npos) << said;
    EXPECT_EQ(said.find("public.users.seen"), std::string::npos) << said;
}

TEST_F(PolicySince, ADictionaryThatWasNotThereSaidNothing)
{
    Commit();
    folder_.Write("dictionary/users.yml", "table: users\nignored_columns: [seen]\n");
    const std::string inside = Check({folder_.path() + "/dictionary"}, 2);
    EXPECT_NE(inside.find("public.users.seen"), std::string::npos) << inside;
    // Outside of any repository, and in another: what is called HEAD there is another commit.
    const Folder elsewhere;
    elsewhere.Write("users.yml", "table: users\nignored_columns: [left]\n");
    const std::string outside = Check({elsewhere.path()}, 2);
    EXPECT_NE(outside.find("public.users.left"), std::string::npos) << outside;
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"init", "-q"},
             {"add", "-A"},
             {"-c", "user.name=u", "-c", "user.email=u@example.org", "commit", "-q", "-m", "y"}}) {
        std::vector<std::string> command{"git", "-C", elsewhere.path()};
        command.insert(command.end(), arguments.begin(), arguments.end());
        ASSERT_EQ(RunProgram(command, {}, {}).value().exit_code, 0);
    }
    const std::string another = Check({elsewhere.path()}, 2);
    EXPECT_NE(another.find("public.users.left"), std::string::npos) << another;
}

TEST_F(PolicySince, WhatCannotBeReadIsToldUntilItCan)
{
    folder_.Write("policy/posts.yml", "table: [\n");
    folder_.Write("dictionary/users.yml", "table: [\n");
    Commit();
    const std::string said = Check({folder_.path() + "/dictionary"}, 2);
    EXPECT_NE(said.find("posts.yml:"), std::string::npos) << said;
    EXPECT_NE(said.find("dictionary/users.yml:"), std::string::npos) << said;
}

TEST(PolicyProgram, AnswersAsItEnds)
{
    const Result<ProgramResult> said = RunProgram({"/bin/sh", "-c", "cat; echo no >&2; exit 3"}, "in", {});
    ASSERT_TRUE(said.ok());
    EXPECT_EQ(said.value().exit_code, 3);
    EXPECT_EQ(said.value().output, "in");
    EXPECT_EQ(said.value().errors, "no\n");
    EXPECT_EQ(RunProgram({"/bin/sh", "-c", "kill -9 $$"}, {}, {}).value().exit_code, 137);
    EXPECT_EQ(RunProgram({"/nowhere/x"}, {}, {}).error().kind, ErrorKind::kNotFound);
    const Variable variable("WAL2LAKE_TEST", "x");
    EXPECT_EQ(RunProgram({"/bin/sh", "-c", "echo \"$WAL2LAKE_TEST\""}, {}, {}).value().output, "x\n");
    EXPECT_EQ(RunProgram({"/bin/sh", "-c", "echo \"$WAL2LAKE_TEST\""}, {}, {"WAL2LAKE_TEST"}).value().output,
              "\n");
}

} // namespace
} // namespace wal2lake
