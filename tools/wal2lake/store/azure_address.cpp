#include "store/azure_address.h"

#include <algorithm>
#include <cstdlib>

#include "store/lake_url.h"
#include "store/sigv4.h"

namespace wal2lake
{
namespace
{

constexpr std::string_view kScheme = "az://";

Error Invalid(std::string text)
{
    return {ErrorKind::kInvalid, std::move(text)};
}

bool IsLowerOrDigit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool IsContainer(std::string_view name)
{
    return name.size() >= 3 && name.size() <= 63 && IsLowerOrDigit(name.front()) &&
           IsLowerOrDigit(name.back()) && name.find("--") == std::string_view::npos &&
           std::all_of(name.begin(), name.end(), [](char c) { return IsLowerOrDigit(c) || c == '-'; });
}

bool IsAccount(std::string_view name)
{
    return name.size() >= 3 && name.size() <= 24 && std::all_of(name.begin(), name.end(), IsLowerOrDigit);
}

// Empty where an endpoint does not tell.
std::string AccountOf(const Endpoint& endpoint)
{
    if (!endpoint.path.empty())
        return endpoint.path.substr(1);
    const size_t dot = endpoint.authority.find('.');
    const bool blob = dot != std::string::npos && endpoint.authority.compare(dot, 6, ".blob.") == 0;
    return blob ? endpoint.authority.substr(0, dot) : "";
}

} // namespace

std::string AzureAddress::ContainerPath() const
{
    return account_path + "/" + container;
}

std::string AzureAddress::ObjectPath(const std::string& name) const
{
    return ContainerPath() + "/" + UriEncode(prefix + name, true);
}

std::string AzureAddress::Describe(const std::string& name) const
{
    return std::string(kScheme) + container + "/" + prefix + name;
}

AzureEnvironment ReadAzureEnvironment()
{
    const auto value = [](const char* name) {
        const char* found = std::getenv(name);
        return std::string(found == nullptr ? "" : found);
    };
    return {value("AZURE_STORAGE_ACCOUNT"), value("AZURE_STORAGE_SERVICE_ENDPOINT")};
}

Result<AzureAddress> ParseAzureUrl(const std::string& url, const StoreOptions& options,
                                   const AzureEnvironment& environment)
{
    if (!url.starts_with(kScheme))
        return Invalid("lake url \"" + url + "\" is not az://container/prefix");
    const std::string_view rest = std::string_view(url).substr(kScheme.size());
    const size_t slash = std::min(rest.find('/'), rest.size());
    AzureAddress address;
    address.container = rest.substr(0, slash);
    if (!IsContainer(address.container))
        return Invalid("lake url \"" + url + "\" names no valid container; write az://container/prefix");
    auto prefix = ParsePrefix(rest.substr(std::min(rest.size(), slash + 1)), url);
    if (!prefix.ok())
        return prefix.error();
    address.prefix = std::move(prefix.value());

    const std::string& named = options.endpoint.empty() ? environment.endpoint : options.endpoint;
    Endpoint endpoint;
    if (!named.empty()) {
        auto parsed = ParseEndpoint(named);
        if (!parsed.ok())
            return parsed.error();
        endpoint = std::move(parsed.value());
        address.account = AccountOf(endpoint);
    }
    if (address.account.empty())
        address.account = environment.account;
    if (address.account.empty())
        return Invalid("the storage account of " + url +
                       " is not known; set lake.endpoint = \"https://ACCOUNT.blob.core.windows.net\","
                       " or AZURE_STORAGE_ACCOUNT");
    if (!IsAccount(address.account))
        return Invalid("the storage account that lake.endpoint (or AZURE_STORAGE_ACCOUNT) names is not one:"
                       " 3 to 24 lower-case letters and digits");
    address.scheme = named.empty() ? "https" : endpoint.scheme;
    address.authority = named.empty() ? address.account + ".blob.core.windows.net" : endpoint.authority;
    address.account_path = endpoint.path;
    return address;
}

} // namespace wal2lake
