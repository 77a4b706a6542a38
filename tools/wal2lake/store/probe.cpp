#include "store/probe.h"

#include <barrier>
#include <charconv>
#include <optional>
#include <random>
#include <thread>
#include <vector>

namespace wal2lake
{
namespace
{

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;
// Some stores answer a race with "try again", which decides nothing.
constexpr int kTries = 4;

std::string BodyOf(size_t writer)
{
    return "writer " + std::to_string(writer) + "\n";
}

// A name that no other probe has.
std::string RunName()
{
    std::random_device random;
    return std::to_string((uint64_t{random()} << 32) | random());
}

// What became of one writer's put.
enum class Outcome { kCreated, kExists, kUnknown };

struct Round {
    std::vector<Outcome> outcomes;
    std::vector<std::optional<Error>> errors;
};

Round Race(const std::vector<std::unique_ptr<Store>>& stores, const std::string& name)
{
    Round round{std::vector<Outcome>(stores.size(), Outcome::kUnknown),
                std::vector<std::optional<Error>>(stores.size())};
    std::barrier start(static_cast<std::ptrdiff_t>(stores.size()));
    std::vector<std::thread> threads;
    for (size_t i = 0; i < stores.size(); i++)
        threads.emplace_back([&, i] {
            const std::string body = BodyOf(i);
            start.arrive_and_wait();
            for (int attempt = 0; attempt < kTries; attempt++) {
                const auto done = stores[i]->PutIfAbsent(name, body);
                if (done.ok()) {
                    round.outcomes[i] = Outcome::kCreated;
                    return;
                }
                if (done.error().kind == ErrorKind::kExists) {
                    // After an answer that was lost the object may be ours.
                    if (attempt == 0)
                        round.outcomes[i] = Outcome::kExists;
                    return;
                }
                round.errors[i] = done.error();
                if (done.error().kind != ErrorKind::kRetryable)
                    return;
            }
        });
    for (std::thread& thread : threads)
        thread.join();
    return round;
}

// One round: nullopt where the store did as it must.
Result<std::optional<std::string>> Judge(Store& store, const std::string& name, const Round& round)
{
    const auto found = GetAll(store, name);
    if (!found.ok()) {
        for (const auto& error : round.errors)
            if (error)
                return *error;
        return found.error();
    }
    size_t created = 0;
    bool held = false;
    for (size_t i = 0; i < round.outcomes.size(); i++) {
        const bool mine = found.value() == BodyOf(i);
        // Of one that was not told, the object tells whether it was the one.
        const bool did =
            round.outcomes[i] == Outcome::kCreated || (round.outcomes[i] == Outcome::kUnknown && mine);
        created += did ? 1 : 0;
        held = held || (did && mine);
    }
    if (created > 1)
        return std::optional(std::to_string(created) + " of " + std::to_string(round.outcomes.size()) +
                             " writers were told that they had created one and the same object");
    if (!held)
        return std::optional<std::string>("an object does not hold what the writer put who had created it");
    return std::optional<std::string>();
}

} // namespace

std::string NotExclusive(const std::string& lake, const ProbeVerdict& verdict)
{
    return lake + " cannot keep a log exactly once: " + verdict.sentence +
           "; it must honour create-if-absent (S3: PUT with If-None-Match: *), so choose another store, or"
           " update its server";
}

Result<ProbeVerdict> ProbeStore(const OpenAnother& open, ProbeSize size)
{
    std::vector<std::unique_ptr<Store>> stores;
    for (size_t i = 0; i < size.writers; i++) {
        auto opened = open();
        if (!opened.ok())
            return opened.error();
        stores.push_back(std::move(opened.value()));
    }
    const std::string run = kProbeFolder + RunName() + "-";
    for (size_t number = 1; number <= size.rounds; number++) {
        const std::string name = run + std::to_string(number);
        const Round round = Race(stores, name);
        const auto judged = Judge(*stores[0], name, round);
        const auto removed = stores[0]->Delete(name);
        if (!judged.ok())
            return judged.error();
        if (judged.value())
            return ProbeVerdict{false, *judged.value()};
        if (!removed.ok())
            return removed.error();
    }
    return ProbeVerdict{};
}

Result<ProbeVerdict> ProbeStoreDaily(const OpenAnother& open, int64_t now_us)
{
    auto store = open();
    if (!store.ok())
        return store.error();
    const auto mark = GetAll(*store.value(), kProbedName);
    if (!mark.ok() && mark.error().kind != ErrorKind::kNotFound)
        return mark.error();
    if (mark.ok()) {
        const std::string& text = mark.value();
        int64_t probed_us = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), probed_us);
        if (error == std::errc{} && *end == '\n' && probed_us <= now_us && now_us - probed_us < kDayUs)
            return ProbeVerdict{};
    }
    auto verdict = ProbeStore(open);
    // A mark that cannot be written costs a probe at the next start.
    if (verdict.ok() && verdict.value().exclusive)
        (void)store.value()->Overwrite(kProbedName, std::to_string(now_us) + "\n");
    return verdict;
}

} // namespace wal2lake
