#include "store/s3_lifecycle.h"

#include <algorithm>

#include "store/reply_text.h"
#include "store/xml.h"

namespace wal2lake
{
namespace
{

// A configuration has at most 1,000 rules, each of some hundred bytes.
constexpr size_t kLargestConfiguration = size_t{4} << 20;

// What a rule does to current objects; absent where that is harmless.
std::optional<LifecycleRule::Deed> DeedOf(const XmlElement& rule)
{
    if (const XmlElement* expiration = rule.Find("Expiration")) {
        // This alone removes what is left of objects that were deleted.
        const bool markers_only = expiration->Find("ExpiredObjectDeleteMarker") != nullptr &&
                                  expiration->Find("Days") == nullptr && expiration->Find("Date") == nullptr;
        if (!markers_only)
            return LifecycleRule::Deed::kRemoves;
    }
    for (const XmlElement& transition : rule.children) {
        // From all other classes an object is read at once.
        static constexpr std::string_view kArchives[] = {"GLACIER", "DEEP_ARCHIVE"};
        if (transition.name == "Transition" && IsOneOf(transition.Text("StorageClass"), kArchives))
            return LifecycleRule::Deed::kArchives;
    }
    return std::nullopt;
}

// Which objects a rule of S3 is for.
void ReadFilter(const XmlElement& rule, LifecycleRule* read)
{
    // As it was written before there were filters.
    read->prefix = rule.Text("Prefix");
    const XmlElement* filter = rule.Find("Filter");
    if (filter == nullptr)
        return;
    if (const XmlElement* all_of = filter->Find("And"))
        filter = all_of;
    if (filter->Find("Prefix") != nullptr)
        read->prefix = filter->Text("Prefix");
    // Sizes choose, too; but segments are of every size.
    read->some = filter->Find("Tag") != nullptr;
}

void AddRuleOfS3(const XmlElement& rule, LifecycleRule read, std::vector<LifecycleRule>* rules)
{
    const auto deed = DeedOf(rule);
    if (rule.Text("Status") == "Disabled" || !deed)
        return;
    read.deed = *deed;
    ReadFilter(rule, &read);
    rules->push_back(std::move(read));
}

// All of Google's classes are read at once, so only removal hurts.
void AddRuleOfGoogle(const XmlElement& rule, LifecycleRule read, std::vector<LifecycleRule>* rules)
{
    if (rule.Find("Action/Delete") == nullptr)
        return;
    read.deed = LifecycleRule::Deed::kRemoves;
    static const XmlElement kNone;
    const XmlElement* found = rule.Find("Condition");
    const XmlElement& condition = found == nullptr ? kNone : *found;
    const auto newer = condition.Text("NumberOfNewerVersions");
    const bool noncurrent_only = condition.Text("IsLive") == "false" || (!newer.empty() && newer != "0") ||
                                 condition.Find("DaysSinceNoncurrentTime") != nullptr ||
                                 condition.Find("NoncurrentTimeBefore") != nullptr;
    if (noncurrent_only)
        return;
    for (const char* chooses : {"MatchesSuffix", "DaysSinceCustomTime", "CustomTimeBefore"})
        read.some = read.some || condition.Find(chooses) != nullptr;
    bool has_prefix = false;
    for (const XmlElement& each : condition.children) {
        if (each.name != "MatchesPrefix")
            continue;
        has_prefix = true;
        read.prefix = each.text;
        rules->push_back(read);
    }
    if (!has_prefix)
        rules->push_back(std::move(read));
}

} // namespace

std::optional<std::vector<LifecycleRule>> ReadLifecycle(std::string_view body)
{
    if (body.size() > kLargestConfiguration)
        return std::nullopt;
    const auto document = ParseXml(body);
    if (!document || document->name != "LifecycleConfiguration")
        return std::nullopt;
    std::vector<LifecycleRule> rules;
    size_t number = 0;
    for (const XmlElement& rule : document->children) {
        if (rule.name != "Rule")
            continue;
        number++;
        LifecycleRule read;
        const std::string id = HarmlessLine(rule.Text("ID"));
        read.name = id.empty() ? "number " + std::to_string(number) : "\"" + id + "\"";
        if (rule.Find("Action") != nullptr)
            AddRuleOfGoogle(rule, std::move(read), &rules);
        else
            AddRuleOfS3(rule, std::move(read), &rules);
    }
    return rules;
}

std::vector<LifecycleRule> RulesBelow(std::vector<LifecycleRule> rules, const std::string& prefix)
{
    std::erase_if(rules, [&prefix](const LifecycleRule& rule) { return !rule.MayMeet(prefix); });
    for (LifecycleRule& rule : rules)
        rule.prefix = rule.prefix.substr(std::min(prefix.size(), rule.prefix.size()));
    return rules;
}

Result<std::vector<LifecycleRule>> LifecycleAnswered(const S3Call& call, const HttpResponse& response)
{
    const S3Refusal refusal = ReadRefusal(response);
    if (response.status == 404 && refusal.code == "NoSuchLifecycleConfiguration")
        return std::vector<LifecycleRule>{};
    if (response.status == 200) {
        if (auto rules = ReadLifecycle(response.body))
            return std::move(*rules);
    }
    std::string text =
        AnswerSentence(call.doing, call.object, response.status, refusal.code, refusal.message);
    if (response.status == 401 || response.status == 403)
        text += std::string("; allow ") + call.permission + " there";
    return Error{ErrorKind::kPermanent, std::move(text)};
}

} // namespace wal2lake
