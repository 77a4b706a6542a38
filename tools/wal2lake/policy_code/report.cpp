#include "policy_code/report.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include "digest.h"
#include "json_writer.h"
#include "printable.h"
#include "store/xml.h"

namespace wal2lake
{
namespace
{

constexpr const char* kSuite = "wal2lake policy";

bool IsFailure(const PolicyFinding& finding)
{
    return finding.severity != PolicySeverity::kInfo;
}

std::string PlaceOf(const PolicyFinding& finding)
{
    std::string place = Printable(finding.place.file);
    if (!place.empty() && finding.place.line > 0)
        place += ":" + std::to_string(finding.place.line);
    return place;
}

std::string ObjectAndText(const PolicyFinding& finding)
{
    const std::string object = Printable(finding.object);
    return (object.empty() ? "" : object + ": ") + PrintableSentence(finding.text);
}

std::string SentenceOf(const PolicyFinding& finding)
{
    const std::string fix = PrintableSentence(finding.fix);
    return ObjectAndText(finding) + (fix.empty() ? "" : "; " + fix);
}

std::string Line(const PolicyFinding& finding)
{
    const std::string place = PlaceOf(finding);
    return (place.empty() ? "" : place + ": ") + std::string(NameOf(finding.severity)) + " " +
           Printable(finding.code) + ": " + SentenceOf(finding);
}

std::string Counted(size_t count, const std::string& what)
{
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// What others take for the same test, or the same finding, must not be the same twice.
class Repeats
{
  public:
    // 0 for the first.
    size_t Count(const std::string& key) { return counts_[key]++; }

  private:
    std::map<std::string, size_t> counts_;
};

XmlElement TestCase(const PolicyFinding& finding, Repeats* repeats)
{
    std::string name = ObjectAndText(finding);
    if (const size_t before = repeats->Count(finding.code + "\n" + name); before > 0)
        name += " (" + std::to_string(before + 1) + ")";
    XmlElement test{"testcase", {}, {}, {{"classname", finding.code}, {"name", name}}};
    if (!finding.place.file.empty())
        test.attributes.emplace_back("file", finding.place.file);
    if (IsFailure(finding))
        test.children.push_back(
            {"failure",
             Line(finding),
             {},
             {{"type", std::string(NameOf(finding.severity))}, {"message", SentenceOf(finding)}}});
    else
        test.children.push_back({"system-out", Line(finding), {}, {}});
    return test;
}

std::string RelativePath(const std::string& file)
{
    // What has no file is about the folder at hand.
    if (file.empty())
        return ".";
    std::filesystem::path path = std::filesystem::path(file).lexically_normal();
    if (path.is_absolute()) {
        std::error_code failure;
        const std::filesystem::path here = std::filesystem::current_path(failure);
        const std::filesystem::path below = failure ? path.relative_path() : path.lexically_relative(here);
        path = below.empty() || *below.begin() == ".." ? path.relative_path() : below;
    }
    return path.string();
}

std::string_view CodeQualitySeverity(PolicySeverity severity)
{
    switch (severity) {
    case PolicySeverity::kInfo:
        return "info";
    case PolicySeverity::kWarning:
        return "minor";
    case PolicySeverity::kError:
        break;
    }
    return "major";
}

// Of everything but the line and the words, with how often that was there before.
std::string Fingerprint(const PolicyFinding& finding, const std::string& path, Repeats* repeats)
{
    std::string bytes;
    for (const std::string& part : {finding.code, path, finding.object})
        bytes += std::to_string(part.size()) + ":" + part;
    if (const size_t before = repeats->Count(bytes); before > 0)
        bytes += std::to_string(before);
    return Hex(Sha256(bytes));
}

} // namespace

std::string FindingsAsText(const std::vector<PolicyFinding>& findings)
{
    std::string text;
    std::map<PolicySeverity, size_t> counts;
    for (const PolicyFinding& finding : findings) {
        text += Line(finding) + "\n";
        counts[finding.severity]++;
    }
    return text + Counted(counts[PolicySeverity::kError], "error") + ", " +
           Counted(counts[PolicySeverity::kWarning], "warning") + ", " +
           std::to_string(counts[PolicySeverity::kInfo]) + " info\n";
}

std::string FindingsAsJunit(const std::vector<PolicyFinding>& findings)
{
    const auto failures = static_cast<size_t>(std::count_if(findings.begin(), findings.end(), IsFailure));
    XmlElement suite{"testsuite", {}, {}, {}};
    Repeats repeats;
    for (const PolicyFinding& finding : findings)
        suite.children.push_back(TestCase(finding, &repeats));
    if (findings.empty())
        suite.children.push_back({"testcase", {}, {}, {{"classname", "policy"}, {"name", "no finding"}}});
    suite.attributes = {{"name", kSuite},
                        {"tests", std::to_string(suite.children.size())},
                        {"failures", std::to_string(failures)},
                        {"errors", "0"},
                        {"skipped", "0"}};
    XmlElement root{"testsuites", {}, {}, {{"name", kSuite}}};
    root.children.push_back(std::move(suite));
    return WriteXml(root);
}

std::string FindingsAsCodeQuality(const std::vector<PolicyFinding>& findings)
{
    JsonWriter json;
    Repeats repeats;
    json.BeginArray();
    for (const PolicyFinding& finding : findings) {
        const std::string path = RelativePath(finding.place.file);
        json.BeginObject();
        json.Key("description").String(SentenceOf(finding));
        json.Key("check_name").String(finding.code);
        json.Key("fingerprint").String(Fingerprint(finding, path, &repeats));
        json.Key("severity").String(CodeQualitySeverity(finding.severity));
        json.Key("location").BeginObject();
        json.Key("path").String(path);
        json.Key("lines").BeginObject();
        json.Key("begin").Uint(std::max<size_t>(finding.place.line, 1));
        json.EndObject().EndObject().EndObject();
    }
    json.EndArray();
    return json.Take() + "\n";
}

} // namespace wal2lake
