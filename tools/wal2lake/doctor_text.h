// Words of doctor's findings and fixes: quoting, sizes, sentences in two halves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "doctor_findings.h"

namespace wal2lake
{

// Where the findings of one source are collected.
class FindingList
{
  public:
    FindingList(std::string source, std::vector<Finding>* findings)
        : source_(std::move(source)), findings_(findings)
    {
    }

    void Add(Code code, std::string object, std::string sentence, std::vector<Fix> fixes)
    {
        findings_->push_back({code, source_, std::move(object), std::move(sentence), std::move(fixes)});
    }

  private:
    std::string source_;
    std::vector<Finding>* findings_;
};

// A word for a shell, quoted where it needs to be.
std::string ShellQuoted(const std::string& word);

// A value in a connection string, quoted where it needs to be.
std::string ConninfoQuoted(const std::string& value);

// A name in pg_hba.conf and pg_ident.conf, where it is no keyword then.
std::string HbaQuoted(const std::string& name);

// "3.5 GiB".
std::string SizeText(uint64_t bytes);

// Sentences of this command are "what; fix".
std::string BeforeFix(const std::string& sentence);
std::string AfterFinding(const std::string& sentence);

// Lines of the configuration: another name for the log, another slot, another
// value in the connection string (a sentence where that holds a password).
Fix AnotherId(const DoctorNames& names);
Fix AnotherSlot(const DoctorNames& names);
Fix WithConninfo(const DoctorNames& names, const std::string& key, const std::string& value);

// Drops the slot and begins anew, slot and log.
std::vector<Fix> RecreateSlot(const DoctorNames& names);

} // namespace wal2lake
