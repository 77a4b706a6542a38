// Runs simulated worlds by hand: many of them up to the first failure, which it
// shrinks and tells, or one that was kept, told line by line.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "shrink.h"
#include "world.h"

namespace
{

using namespace wal2lake::simulation;

int Usage()
{
    std::fputs("usage: simulate [--seed N] [--worlds N] [--steps N] [--tell]\n"
               "       simulate --trace FILE\n"
               "Runs worlds of N steps (500) from seed N (1) on; a failure is shrunk and printed.\n"
               "--tell prints what happens in the first of them, --trace what happens in a kept one.\n"
               "Exit code: 0 nothing was broken, 1 something was, 2 usage.\n",
               stderr);
    return 2;
}

int TellTrace(const char* path)
{
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    const auto trace = ParseTrace(text.str());
    if (!file || !trace.ok()) {
        std::fprintf(stderr, "simulate: %s: %s\n", path,
                     file ? trace.error().text.c_str() : "cannot be read");
        return 2;
    }
    std::cout << Tell(trace.value().schedule);
    return RunWorld(trace.value().schedule) ? 1 : 0;
}

int RunWorlds(uint32_t seed, uint32_t worlds, size_t steps)
{
    const auto began = std::chrono::steady_clock::now();
    // Where this is simulate_mutant.
    const char* bug = std::getenv("WAL2LAKE_MUTANT");
    Coverage coverage;
    for (uint32_t i = 0; i < worlds; i++) {
        const Schedule schedule = Draw(seed + i, steps);
        if (const Verdict verdict = RunWorld(schedule, &coverage)) {
            std::cout << "seed " << seed + i << " breaks rule " << RuleName(verdict->rule) << ": "
                      << verdict->sentence << "\n"
                      << Explain(schedule, *verdict, bug == nullptr ? "" : bug);
            return 1;
        }
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::cout << coverage.Table() << worlds * steps << " steps in " << worlds << " worlds, nothing broken, "
              << took.count() << " s\n";
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    uint32_t seed = 1;
    uint32_t worlds = 1;
    size_t steps = 500;
    bool tell = false;
    for (int i = 1; i < argc; i++) {
        const std::string_view option = argv[i];
        if (option == "--tell") {
            tell = true;
            continue;
        }
        if (i + 1 == argc)
            return Usage();
        const char* value = argv[++i];
        if (option == "--trace")
            return TellTrace(value);
        const unsigned long number = std::strtoul(value, nullptr, 10);
        if (option == "--seed")
            seed = static_cast<uint32_t>(number);
        else if (option == "--worlds")
            worlds = static_cast<uint32_t>(number);
        else if (option == "--steps")
            steps = number;
        else
            return Usage();
    }
    if (tell)
        std::cout << Tell(Draw(seed, steps));
    return RunWorlds(seed, worlds, steps);
}
