// The ways to come by credentials, and the order in which they are tried. Every
// refresh reads files anew, so that what is rotated there needs no restart.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/credentials.h"
#include "store/http.h"

namespace wal2lake
{

// One exchange, as HttpClient does it. Called from one thread at a time.
using HttpExchange = std::function<Result<HttpResponse>(const HttpRequest&, const HttpOptions&)>;
// The value of a variable; absent where it is unset or empty.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

Environment ProcessEnvironment();

struct CredentialsOptions {
    // A file of the configuration's, in the format of ~/.aws/credentials. Then
    // nothing else is asked: whoever names a file wants no other identity.
    //
    // One file rather than a key in the configuration and its secret elsewhere:
    // both change together, and a file can be replaced in one step.
    std::string file;
    // Of `file`, or, without one, of AWS's own files, and then only that profile
    // is used; empty: AWS_PROFILE or "default".
    std::string profile;
    // For STS, where neither variable nor profile names one.
    std::string region;
    // For what is not on this machine; as in HttpOptions.
    std::string proxy;
};

// What providers need of the world.
struct CredentialsContext {
    CredentialsOptions options;
    Environment environment;
    HttpExchange exchange;
};

// The order of AWS's own tools: environment, web identity where the environment
// names one, shared files, container, instance.
std::unique_ptr<CredentialsProvider> DefaultCredentials(const CredentialsContext& context);

// For stores that are not Amazon's: options.file, or else the environment.
std::unique_ptr<CredentialsProvider> GivenCredentials(const CredentialsContext& context);

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.
std::unique_ptr<CredentialsProvider> EnvironmentCredentials(const CredentialsContext& context);
// options.file, which nobody but its owner and, if that is root, its group may read.
std::unique_ptr<CredentialsProvider> FileCredentials(const CredentialsContext& context);
// A profile of ~/.aws/credentials and ~/.aws/config: keys, or a web identity.
std::unique_ptr<CredentialsProvider> ProfileCredentials(const CredentialsContext& context);
// AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, exchanged at STS.
std::unique_ptr<CredentialsProvider> WebIdentityCredentials(const CredentialsContext& context);
// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or ..._FULL_URI: ECS, EKS Pod Identity.
std::unique_ptr<CredentialsProvider> ContainerCredentials(const CredentialsContext& context);
// The role of an EC2 instance, by version 2 of its metadata service alone.
std::unique_ptr<CredentialsProvider> InstanceCredentials(const CredentialsContext& context);

// Asks one after the other until one does not say kNotFound. The first that gives
// credentials is asked alone from then on: if its file is gone for a moment, work
// must not go on under another identity.
std::unique_ptr<CredentialsProvider>
ChainedCredentials(std::vector<std::unique_ptr<CredentialsProvider>> providers);

using MakeCredentials = std::unique_ptr<CredentialsProvider> (*)(const CredentialsContext& context);

// What `make` makes of the options and this process's environment and network. Those
// that ask for the same share it, and the thread that keeps it fresh. `warn` may be
// empty; it is told when credentials cannot be renewed.
std::shared_ptr<CredentialsCache> SharedCredentials(MakeCredentials make, const CredentialsOptions& options,
                                                    const std::function<void(const std::string&)>& warn);

} // namespace wal2lake
