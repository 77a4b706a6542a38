// Part of the test executable wal2lake_failpoints alone.
#include "failpoint.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <unistd.h>

namespace wal2lake::failpoint
{
namespace
{

enum class Deed { kNothing, kExit, kHang, kStop, kError };

// What is to be done at a place, and when.
struct Order {
    Deed deed = Deed::kNothing;
    // kHang: how long; 0 for ever.
    unsigned seconds = 0;
    // The how-manieth time; with `onwards`, each time from then on.
    unsigned time = 1;
    bool onwards = false;
};

// No exit code of the command, so that a test knows why it ended.
constexpr int kExitCode = 86;

std::array<Order, kPlaces.size()> orders;
std::array<std::atomic<unsigned>, kPlaces.size()> times_reached;

[[noreturn]] void Complain(std::string_view item)
{
    std::fprintf(
        stderr,
        "WAL2LAKE_FAILPOINT: \"%.*s\" is not PLACE=exit, stop, error, hang or hang:SECONDS, with @N or"
        " @N+, at a known place that can do so\n",
        static_cast<int>(item.size()), item.data());
    std::_Exit(2);
}

// The number that `text` begins with; false where there is none.
bool TakeNumber(std::string_view* text, unsigned* number)
{
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
    if (error != std::errc{})
        return false;
    text->remove_prefix(static_cast<size_t>(end - text->data()));
    return true;
}

bool TakeWord(std::string_view* text, std::string_view word)
{
    if (!text->starts_with(word))
        return false;
    text->remove_prefix(word.size());
    return true;
}

// PLACE=DEED[@N[+]]
bool Parse(std::string_view item)
{
    const size_t equals = item.find('=');
    size_t at = 0;
    while (at < kPlaces.size() && kPlaces[at].name != item.substr(0, equals))
        at++;
    if (at == kPlaces.size() || equals == std::string_view::npos)
        return false;
    item.remove_prefix(equals + 1);
    Order order;
    if (TakeWord(&item, "exit"))
        order.deed = Deed::kExit;
    else if (TakeWord(&item, "stop"))
        order.deed = Deed::kStop;
    else if (TakeWord(&item, "hang"))
        order.deed = Deed::kHang;
    else if (kPlaces[at].can_fail && TakeWord(&item, "error"))
        order.deed = Deed::kError;
    else
        return false;
    if (order.deed == Deed::kHang && TakeWord(&item, ":") && !TakeNumber(&item, &order.seconds))
        return false;
    if (TakeWord(&item, "@")) {
        if (!TakeNumber(&item, &order.time))
            return false;
        order.onwards = TakeWord(&item, "+");
    }
    orders[at] = order;
    return item.empty();
}

// Before main(), so that a wrong name is noticed whatever the command does.
const bool asked = [] {
    const char* const text = std::getenv("WAL2LAKE_FAILPOINT");
    std::string_view rest = text == nullptr ? "" : text;
    if (rest == "list") {
        for (const Place& place : kPlaces)
            std::printf("%.*s\n", static_cast<int>(place.name.size()), place.name.data());
        std::fflush(nullptr);
        std::_Exit(0);
    }
    while (!rest.empty()) {
        const std::string_view item = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), item.size() + 1));
        if (!Parse(item))
            Complain(item);
    }
    return true;
}();

} // namespace

bool Reach(size_t index)
{
    const Order& order = orders[index];
    const unsigned time = ++times_reached[index];
    if (order.deed == Deed::kNothing || (order.onwards ? time < order.time : time != order.time))
        return false;
    const auto& name = kPlaces[index].name;
    std::fprintf(stderr, "failpoint %.*s reached\n", static_cast<int>(name.size()), name.data());
    switch (order.deed) {
    case Deed::kExit:
        ::_exit(kExitCode);
    case Deed::kStop:
        // All threads at once, until SIGCONT.
        ::raise(SIGSTOP);
        return false;
    case Deed::kHang:
        do
            std::this_thread::sleep_for(std::chrono::seconds(order.seconds == 0 ? 3600 : order.seconds));
        while (order.seconds == 0);
        return false;
    case Deed::kError:
    case Deed::kNothing:
        break;
    }
    return true;
}

} // namespace wal2lake::failpoint
