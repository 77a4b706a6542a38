// libFuzzer's entry points, the same for each target.
#include "fuzz.h"

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/)
{
    google::protobuf::SetLogHandler(nullptr);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    wal2lake::fuzz::Target({reinterpret_cast<const char*>(data), size});
    return 0;
}
