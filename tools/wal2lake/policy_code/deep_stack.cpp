#include "policy_code/deep_stack.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

namespace wal2lake
{
namespace
{

void* Call(void* work)
{
    (*static_cast<const std::function<void()>*>(work))();
    return nullptr;
}

} // namespace

bool CallOnStack(size_t bytes, const std::function<void()>& work)
{
    // Our own mapping, because that of the C library counts as used where memory is not overcommitted
    // at will. The page that is left without access ends what goes deeper still.
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t size = (bytes / page + 2) * page;
    void* stack = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return false;
    pthread_attr_t attributes;
    pthread_t thread;
    std::function<void()> call = work;
    bool called = false;
    if (mprotect(stack, page, PROT_NONE) == 0 && pthread_attr_init(&attributes) == 0) {
        called = pthread_attr_setstack(&attributes, static_cast<char*>(stack) + page, size - page) == 0 &&
                 pthread_create(&thread, &attributes, Call, &call) == 0;
        pthread_attr_destroy(&attributes);
    }
    if (called)
        pthread_join(thread, nullptr);
    munmap(stack, size);
    return called;
}

} // namespace wal2lake
