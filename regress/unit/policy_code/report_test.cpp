#include "policy_code/report.h"

#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "json_text.h"
#include "store/xml.h"

namespace wal2lake
{
namespace
{

std::vector<PolicyFinding> Findings()
{
    return {{PolicySeverity::kError,
             "unlabelled",
             {"policy/public/users.yml", 4},
             "public.users.email",
             "the column has no label",
             "write one behind its name"},
            {PolicySeverity::kWarning,
             "stale",
             {"policy/a.yml", 0},
             "public.\"a\nb\033\"",
             "it is\ngone\u202e\u202c",
             ""},
            {PolicySeverity::kInfo, "view", {}, "", "views have no policy", ""}};
}

// The elements of that name below one, at any depth.
size_t CountOf(const XmlElement& element, std::string_view name)
{
    size_t count = element.name == name ? 1 : 0;
    for (const XmlElement& child : element.children)
        count += CountOf(child, name);
    return count;
}

// The value of a string or number behind its key, for each object.
std::vector<std::string> ValuesOf(const std::string& json, const std::string& key)
{
    std::vector<std::string> values;
    const std::string before = "\"" + key + "\":";
    for (size_t at = json.find(before); at != std::string::npos; at = json.find(before, at)) {
        at += before.size();
        values.push_back(json.substr(at, json.find_first_of(",}", at) - at));
    }
    return values;
}

TEST(PolicyReport, TextIsALineForEach)
{
    EXPECT_EQ(FindingsAsText(Findings()),
              "policy/public/users.yml:4: error unlabelled: public.users.email: the column has no label; "
              "write one behind its name\n"
              "policy/a.yml: warning stale: public.\"a\\x0ab\\x1b\": it is gone\\u{202e}\\u{202c}\n"
              "info view: views have no policy\n"
              "1 error, 1 warning, 1 info\n");
    EXPECT_EQ(FindingsAsText({}), "0 errors, 0 warnings, 0 info\n");
}

TEST(PolicyReport, JunitCountsTestsAndFailures)
{
    const std::string text = FindingsAsJunit(Findings());
    const auto root = ParseXml(text);
    ASSERT_TRUE(root) << text;
    EXPECT_EQ(root->name, "testsuites");
    EXPECT_NE(text.find("tests=\"3\" failures=\"2\""), std::string::npos) << text;
    EXPECT_EQ(CountOf(*root, "testcase"), 3U);
    EXPECT_EQ(CountOf(*root, "failure"), 2U);
    EXPECT_EQ(CountOf(*root, "system-out"), 1U);
    EXPECT_EQ(root->Text("testsuite/testcase/failure"),
              "policy/public/users.yml:4: error unlabelled: public.users.email: the column has no label; "
              "write one behind its name");
    EXPECT_NE(
        text.find("<testcase classname=\"unlabelled\" name=\"public.users.email: the column has no label\" "
                  "file=\"policy/public/users.yml\">"),
        std::string::npos)
        << text;
    const std::string none = FindingsAsJunit({});
    EXPECT_NE(none.find("tests=\"1\" failures=\"0\""), std::string::npos);
    ASSERT_TRUE(ParseXml(none));
    EXPECT_EQ(CountOf(*ParseXml(none), "testcase"), 1U);
    EXPECT_EQ(CountOf(*ParseXml(none), "failure"), 0U);
}

TEST(PolicyReport, JunitNamesNoTestTwice)
{
    const std::string text = FindingsAsJunit({Findings()[0], Findings()[0]});
    EXPECT_NE(text.find("has no label\""), std::string::npos);
    EXPECT_NE(text.find("has no label (2)\""), std::string::npos) << text;
}

// XML 1.0 has no character for those, not even as references.
TEST(PolicyReport, JunitIsXmlForAnyName)
{
    std::string odd = "<&>\"']]>";
    for (char c = 1; c < 32; c++)
        odd += c;
    odd += "\x7f\xff\u0085\ufffe\uffff\U000E0041" + std::string(1, '\0');
    const std::string text = FindingsAsJunit({{PolicySeverity::kError, odd, {odd, 1}, odd, odd, odd}});
    ASSERT_TRUE(ParseXml(text)) << text;
    for (size_t i = 0; i < text.size(); i++)
        EXPECT_TRUE(static_cast<unsigned char>(text[i]) >= 0x20 || text[i] == '\n' || text[i] == '\t') << i;
    for (const char* reference : {"&#0;", "&#1;", "&#01;", "&#27;", "&#x1b;", "\ufffe", "\uffff", "\xff"})
        EXPECT_EQ(text.find(reference), std::string::npos) << reference;
}

TEST(PolicyReport, CodeQualityIsWhatGitlabReads)
{
    const std::string text = FindingsAsCodeQuality(Findings());
    EXPECT_EQ(ValuesOf(text, "severity"), (std::vector<std::string>{"\"major\"", "\"minor\"", "\"info\""}));
    EXPECT_EQ(ValuesOf(text, "check_name"),
              (std::vector<std::string>{"\"unlabelled\"", "\"stale\"", "\"view\""}));
    EXPECT_EQ(ValuesOf(text, "begin"), (std::vector<std::string>{"4", "1", "1"}));
    EXPECT_EQ(ValuesOf(text, "path"),
              (std::vector<std::string>{"\"policy/public/users.yml\"", "\"policy/a.yml\"", "\".\""}));
    EXPECT_EQ(
        text.find(
            "[{\"description\":\"public.users.email: the column has no label; write one behind its name\","),
        0U)
        << text;
    const std::vector<std::string> fingerprints = ValuesOf(text, "fingerprint");
    EXPECT_EQ(std::set<std::string>(fingerprints.begin(), fingerprints.end()).size(), 3U);
    EXPECT_EQ(fingerprints[0].size(), 66U);
    // An object each, as JSON.
    const std::string first = text.substr(1, text.find("}}}") + 2);
    EXPECT_TRUE(ReadJsonTexts(first)) << first;
    EXPECT_EQ(FindingsAsCodeQuality({}), "[]\n");
}

TEST(PolicyReport, FingerprintsStayWhenLinesMove)
{
    std::vector<PolicyFinding> findings{Findings()[0], Findings()[0]};
    const std::vector<std::string> before = ValuesOf(FindingsAsCodeQuality(findings), "fingerprint");
    EXPECT_NE(before[0], before[1]);
    findings[0].place.line = 70;
    findings[1].place.line = 80;
    findings[0].place.file = "./policy//public/users.yml";
    findings[0].text = "in other words";
    EXPECT_EQ(ValuesOf(FindingsAsCodeQuality(findings), "fingerprint"), before);
    findings[0].object = "public.users.name";
    EXPECT_NE(ValuesOf(FindingsAsCodeQuality(findings), "fingerprint")[0], before[0]);
}

TEST(PolicyReport, PathsAreRelative)
{
    PolicyFinding finding = Findings()[0];
    const auto path = [&](const std::string& file) {
        finding.place.file = file;
        return ValuesOf(FindingsAsCodeQuality({finding}), "path").at(0);
    };
    EXPECT_EQ(path(std::filesystem::current_path().string() + "/policy/a.yml"), "\"policy/a.yml\"");
    EXPECT_EQ(path("./a/../policy/a.yml"), "\"policy/a.yml\"");
    EXPECT_EQ(path("/elsewhere/a.yml"), "\"elsewhere/a.yml\"");
}

} // namespace
} // namespace wal2lake
