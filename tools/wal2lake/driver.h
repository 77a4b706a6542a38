// Drives the machine of one source: carries out what it asks for with a real
// server, store and clock, and tells it what came of it. Decides nothing.
//
// Made and run by run.cpp, each on a thread of its own, so that one source's
// slow server or store is no other source's trouble.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "log.h"
#include "machine.h"
#include "memory_budget.h"
#include "source_pull.h"
#include "source_status.h"
#include "stage.h"
#include "store_worker.h"

namespace wal2lake
{

struct DriverConfig {
    std::string conninfo;
    MachineConfig machine;
    StageConfig stage;
    // Which of the sources of `budget` this one is.
    size_t number = 0;
    // Readable once the process is to stop; not read, so that all see it.
    int stop_fd = -1;
    // Where others see what it is doing, and that it turns; outlives the driver.
    StatusBoard* board = nullptr;
    // Where the source is not streamed; outlives the driver.
    const PullConfig* pull = nullptr;
};

class Driver
{
  public:
    Driver(DriverConfig config, std::unique_ptr<Store> store, MemoryBudget* budget, const Log& log);

    // Until the machine is finished; its verdict.
    ExitCode Run();

  private:
    void Feed(const Event& event);
    void FeedClock();

    void Do(const action::ReadHead& action) { store_.Submit(action); }
    void Do(const action::ListAfter& action) { store_.Submit(action); }
    void Do(const action::ReadObject& action) { store_.Submit(action); }
    void Do(const action::WriteHead& action) { store_.Submit(action); }
    void Do(const action::SweepParts& action) { store_.Submit(action); }
    void Do(const action::PutObject& action);
    void Do(const action::Connect& action);
    void Do(const action::StartStreaming& action);
    void Do(const action::SendStatus& action);
    void Do(const action::Disconnect& action);
    void Do(const action::PauseReading& action);
    void Do(const action::ResumeReading& action);
    void Do(const action::AskServer& action);
    void Do(const action::Log& action);
    void Do(const action::Finish& action);

    void Publish();
    void PublishNow();
    void LostServer();
    void Wait();
    void TakeMessages();
    bool TakeStaged();
    void Receive(std::string_view payload);
    void ClearStage();

    DriverConfig config_;
    MemoryBudget* budget_;
    const Log& log_;
    Machine machine_;
    StoreWorker store_;
    std::unique_ptr<PostgresSource> server_;
    Stage stage_;
    bool replaying_ = false;
    // What an action brought about at once.
    std::deque<Event> answers_;
    bool streaming_ = false;
    bool paused_ = false;
    bool readable_ = false;
    // Whole messages may be waiting in libpq's buffer.
    bool more_ = false;
    // What the last messages came to, and when they were taken.
    size_t taken_bytes_ = 0;
    int64_t taken_ms_ = INT64_MIN / 2;
    bool stop_asked_ = false;
    bool stopping_ = false;
    bool finished_ = false;
    ExitCode code_ = ExitCode::kInternal;

    int64_t published_ms_ = 0;
    // What happened since then is to be seen soon.
    bool unpublished_ = false;
    std::shared_ptr<const StatsByOid> tables_;
    uint64_t tables_heard_ = 0;
};

} // namespace wal2lake
