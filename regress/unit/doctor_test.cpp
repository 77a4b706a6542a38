// The judgement of doctor on facts that no server at hand can show, and what the
// end-to-end test (regress/t/test_doctor.py) relies on.
#include "doctor.h"

#include <set>

#include <gtest/gtest.h>

#include "doctor_text.h"
#include "list_text.h"
#include "server_defects.h"

namespace wal2lake
{
namespace
{

// A source with nothing to find.
SourceReport Sound()
{
    SourceReport report;
    report.names.source = "cell1.main";
    report.names.slot = "wal2lake";
    report.names.lake = "file:///lake";
    report.names.conninfo = "dbname=app user=forwarder";
    report.names.arguments = " -c /etc/wal2lake.toml --source cell1.main";
    report.names.max_size = uint64_t{64} << 20;
    report.names.os_user = "forwarder";
    ServerFacts& server = report.server;
    server.user = "forwarder";
    server.database = "app";
    server.over_socket = true;
    server.version = 150020;
    server.is_standby = false;
    server.settings = {{"wal_level", "logical"},
                       {"max_replication_slots", "10"},
                       {"max_wal_senders", "10"},
                       {"max_slot_wal_keep_size", "51200"},
                       {"wal_sender_timeout", "60000"},
                       {"logical_decoding_work_mem", "65536"},
                       {"output_plugin_libraries", "wal2lake"},
                       {"shared_preload_libraries", "wal2lake_policy"},
                       {"data_directory", "/srv/data"},
                       {"wal2lake.key_file", "/srv/keys"},
                       {"wal2lake.admin_role", ""}};
    server.role = RoleFacts{"forwarder", false, false, true, true, {}};
    SourceFacts source;
    source.system_id = 7;
    source.timeline = 1;
    source.wal_flush_lsn = 0x2000;
    source.database = "app";
    source.database_oid = 5;
    source.slot.exists = true;
    source.slot.type = "logical";
    source.slot.plugin = "wal2lake";
    source.slot.database = "app";
    source.slot.confirmed_flush_lsn = 0x1000;
    source.slot.wal_status = "reserved";
    server.source = source;
    server.use = SlotUse{1, 0, 0};
    server.extension = ExtensionFacts{WAL2LAKE_VERSION, WAL2LAKE_VERSION, {}};
    server.identity = IdentityAudit{};
    server.labels = LabelAudit{{}, {}, 1};
    server.decoding_starts = true;
    server.clock_skew_s = 0;
    report.lake.free_bytes = uint64_t{1} << 40;
    return report;
}

std::set<std::string> Codes(const std::vector<Finding>& findings)
{
    std::set<std::string> codes;
    for (const Finding& finding : findings) {
        EXPECT_FALSE(finding.object.empty());
        EXPECT_FALSE(finding.sentence.empty());
        EXPECT_FALSE(finding.fixes.empty());
        codes.emplace(FactsOf(finding.code).name);
    }
    return codes;
}

std::set<std::string> Codes(const SourceReport& report)
{
    return Codes(Judge({report}));
}

using Set = std::set<std::string>;

Finding Only(const SourceReport& report)
{
    const auto findings = Judge({report});
    EXPECT_EQ(findings.size(), 1U);
    return findings.empty() ? Finding{} : findings.front();
}

// ---- codes ----

TEST(DoctorCodes, AreInOrderAndNamedOnce)
{
    Set names;
    for (size_t i = 0; i < AllCodes().size(); i++) {
        EXPECT_EQ(static_cast<size_t>(AllCodes()[i].code), i);
        EXPECT_TRUE(names.insert(std::string(AllCodes()[i].name)).second) << AllCodes()[i].name;
        EXPECT_FALSE(AllCodes()[i].meaning.empty());
    }
    EXPECT_EQ(FactsOf(Code::kClockSkew).name, "clock-skew");
    EXPECT_EQ(AllCodes().back().code, Code::kClockSkew);
}

TEST(Doctor, FindsNothingWhereNothingIs)
{
    EXPECT_EQ(Codes(Sound()), Set{});
    EXPECT_EQ(DoctorExitCode(Judge({Sound()})), 0);
    EXPECT_EQ(FormatFindings({}, true), "0 errors, 0 warnings, 0 notes\n");
}

// ---- what no server of the test machine can show ----

TEST(DoctorVersions, TooOld)
{
    SourceReport report = Sound();
    report.server.version = 140024;
    EXPECT_EQ(Codes(report), Set{"server-too-old"});
}

TEST(DoctorVersions, KnownDefectsEndWithTheMinorThatMendsThem)
{
    SourceReport report = Sound();
    for (const int sound : {150016, 160012, 170008, 180002, 190000})
        EXPECT_TRUE(ServerDefects(sound).empty()) << sound;
    for (const int bad : {150015, 160011, 170007, 180001}) {
        ASSERT_EQ(ServerDefects(bad).size(), 1U) << bad;
        EXPECT_NE(ServerDefects(bad)[0].find("checkpoint"), std::string::npos);
    }
    // Only this one has the memory defect, and it has it.
    const auto has_memory = [](int version) {
        for (const std::string& defect : ServerDefects(version))
            if (defect.find("exhaust the memory") != std::string::npos)
                return true;
        return false;
    };
    EXPECT_FALSE(has_memory(150012));
    EXPECT_TRUE(has_memory(150013));
    EXPECT_FALSE(has_memory(150014));
    EXPECT_FALSE(has_memory(180000));

    report.server.version = 150007;
    const Finding finding = Only(report);
    EXPECT_EQ(FactsOf(finding.code).name, "server-defects");
    EXPECT_EQ(finding.object, "PostgreSQL 15.7");
    EXPECT_NE(finding.sentence.find("inside a transaction (mended in 15.8)"), std::string::npos);
    EXPECT_EQ(finding.fixes[0].text, "upgrade to 15.19 or later");
}

TEST(DoctorVersions, AllowList)
{
    SourceReport report = Sound();
    report.server.settings.erase("output_plugin_libraries");
    report.server.version = 150018;
    EXPECT_EQ(Codes(report), Set{"server-without-allow-list"});
    // What the role sees outweighs the number: packagers take such a fix back.
    report = Sound();
    report.server.version = 150018;
    EXPECT_EQ(Codes(report), Set{});
    // A role that sees little goes by the number.
    report.server.settings.erase("output_plugin_libraries");
    report.server.role->reads_all_settings = false;
    EXPECT_EQ(Codes(report), (Set{"server-without-allow-list", "settings-hidden"}));
    for (const int with : {150019, 160015, 170011, 180006, 190000})
        EXPECT_TRUE(HasAllowList(with)) << with;
    for (const int without : {150018, 160014, 170010, 180005})
        EXPECT_FALSE(HasAllowList(without)) << without;
}

TEST(DoctorSettings, IdleSlotTimeout)
{
    SourceReport report = Sound();
    report.server.settings["idle_replication_slot_timeout"] = "0";
    EXPECT_EQ(Codes(report), Set{});
    report.server.settings["idle_replication_slot_timeout"] = "3600";
    EXPECT_EQ(Codes(report), Set{"idle-slot-timeout"});
}

TEST(DoctorServer, PluginNotInstalled)
{
    SourceReport report = Sound();
    report.server.extension = ExtensionFacts{"", "", {}};
    EXPECT_EQ(Codes(report), Set{"plugin-not-installed"});
}

TEST(DoctorServer, ExtensionVersion)
{
    SourceReport report = Sound();
    report.server.extension = ExtensionFacts{"0.0.1", WAL2LAKE_VERSION, {}};
    EXPECT_EQ(Only(report).fixes[0].kind, Fix::Kind::kSql);
    report.server.extension = ExtensionFacts{"99.0", "99.0", {}};
    EXPECT_EQ(Only(report).fixes[0].kind, Fix::Kind::kAdvice);
    EXPECT_EQ(Codes(report), Set{"extension-version"});
}

TEST(DoctorSlot, TwoPhase)
{
    SourceReport report = Sound();
    report.server.source->slot.two_phase = true;
    report.server.decoding_starts.reset();
    const Finding finding = Only(report);
    EXPECT_EQ(FactsOf(finding.code).name, "slot-two-phase");
    ASSERT_EQ(finding.fixes.size(), 2U);
    EXPECT_EQ(finding.fixes[1].text, "wal2lake slot create -c /etc/wal2lake.toml --source cell1.main");
}

// ---- a source that is pulled ----

SourceReport Pulled()
{
    SourceReport report = Sound();
    report.names.pull = true;
    report.server.role->replication = false;
    report.server.functions_exist = true;
    report.server.functions_allowed = true;
    return report;
}

TEST(DoctorPull, NeedsNoReplication)
{
    SourceReport report = Pulled();
    EXPECT_EQ(Codes(report), Set{});
    report.server.role->replication = true;
    EXPECT_EQ(Only(report).fixes[0].text, "ALTER ROLE \"forwarder\" NOREPLICATION;");
    report.names.pull = false;
    report.server.role->replication = false;
    EXPECT_EQ(Codes(report), Set{"role-not-replication"});
}

TEST(DoctorPull, SaysHowToMakeTheFunctions)
{
    SourceReport report = Pulled();
    report.server.functions_exist = false;
    EXPECT_EQ(Only(report).fixes[0].text, "SELECT wal2lake.create_pull_source('wal2lake', '\"forwarder\"');");
    report.server.functions_exist = true;
    report.server.functions_allowed = false;
    EXPECT_EQ(Only(report).fixes[0].text, "SELECT wal2lake.drop_pull_source('wal2lake');\n"
                                          "SELECT wal2lake.create_pull_source('wal2lake', '\"forwarder\"');");
    report.server.source->slot.exists = false;
    const Finding finding = Only(report);
    EXPECT_EQ(FactsOf(finding.code).name, "slot-missing");
    EXPECT_EQ(finding.fixes[0].text, "SELECT pg_create_logical_replication_slot('wal2lake', 'wal2lake');");
}

// ---- what must not be said silently, or not at all ----

TEST(Doctor, WhatIsUnknownIsNotSound)
{
    SourceReport report = Sound();
    report.server.unseen.push_back({"labels", "permission denied for table pg_seclabel"});
    report.server.labels.reset();
    EXPECT_EQ(Codes(report), Set{"not-checked"});
    EXPECT_EQ(DoctorExitCode(Judge({report})), 1);
}

TEST(Doctor, SaysWhyItCannotConnectAndNothingElseOfTheServer)
{
    const auto of = [](const char* sqlstate, const char* text) {
        SourceReport report = Sound();
        report.server = ServerFacts{};
        report.server.user = "forwarder";
        report.server.database = "app";
        report.server.connect_error = SourceError{sqlstate, text};
        return report;
    };
    EXPECT_EQ(Codes(of("28000", "FATAL:  role \"forwarder\" does not exist")), Set{"role-missing"});
    EXPECT_EQ(Codes(of("28P01", "password authentication failed")), Set{"access-refused"});
    EXPECT_EQ(Codes(of("3D000", "database \"app\" does not exist")), Set{"database-missing"});
    EXPECT_EQ(Codes(of("57P03", "the database system is starting up")), Set{"cannot-connect"});
    const Finding remote =
        Only(of("28000", "no pg_hba.conf entry for host \"10.1.2.3\", user \"forwarder\""));
    EXPECT_EQ(remote.fixes[0].kind, Fix::Kind::kPgHba);
    EXPECT_EQ(remote.fixes[0].text, "hostssl  \"app\"  \"forwarder\"  10.1.2.3/32  scram-sha-256");
    const Finding v6 = Only(of("28000", "no pg_hba.conf entry for host \"fe80::1\", user \"forwarder\""));
    EXPECT_NE(v6.fixes[0].text.find("fe80::1/128"), std::string::npos);
    SourceReport local = of("28000", "no pg_hba.conf entry for host \"[local]\"");
    local.server.over_socket = true;
    EXPECT_EQ(Only(local).fixes[0].text, "local  \"app\"  \"forwarder\"  peer");
}

TEST(Doctor, SendersInUseByOurOwnForwarderAreNoTrouble)
{
    SourceReport report = Sound();
    report.server.replication_error = SourceError{"53300", "exceeds max_wal_senders (currently 1)"};
    EXPECT_EQ(Codes(report), Set{"senders-exhausted"});
    report.server.use->active_pid = 42;
    EXPECT_EQ(Codes(report), Set{"slot-active"});
}

TEST(Doctor, AStandbyIsNotComparedWithTheLog)
{
    SourceReport report = Sound();
    report.server.is_standby = true;
    report.server.decoding_starts.reset();
    Tail tail;
    tail.name = {"cell1.main", kFirstEpoch, 0};
    tail.facts.header.set_source("cell1.main");
    tail.facts.header.set_slot("wal2lake");
    tail.facts.header.mutable_genesis();
    tail.facts.header.set_system_id(7);
    tail.facts.header.set_timeline(1);
    tail.facts.header.set_database_oid(5);
    tail.facts.footer.set_end_lsn(0x9000);
    report.lake.tail = tail;
    EXPECT_EQ(Codes(report), Set{"server-is-standby"});
    report.server.is_standby = false;
    report.server.decoding_starts = true;
    EXPECT_EQ(Codes(report), Set{"log-divergence"});
}

// ---- lifecycle rules ----

TEST(DoctorLifecycle, MeetsWhatBeginsAlike)
{
    struct Case {
        const char* prefix;
        const char* met;
    };
    const std::vector<Case> cases = {
        {"", " objects below cell1.main/log/, cell1.main/parts/, cell1.main/events/: "},
        {"cell", " objects below cell1.main/log/, cell1.main/parts/, cell1.main/events/: "},
        {"cell1.main/", " objects below cell1.main/log/, cell1.main/parts/, cell1.main/events/: "},
        {"cell1.main/log", " objects below cell1.main/log/: "},
        {"cell1.main/log/00000001/0000", " objects below cell1.main/log/: "},
        {"cell1.main/p", " objects below cell1.main/parts/: "},
        {"cell1.main/events/", " objects below cell1.main/events/: "},
        {"cell1.main/head", nullptr},
        {"cell1.main/logs/", nullptr},
        {"cell10.main/", nullptr},
        {"_wal2lake/", nullptr},
        {"zebra", nullptr},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.prefix);
        SourceReport report = Sound();
        report.lake.lifecycle_rules = {{"\"tidy\"", one.prefix, LifecycleRule::Deed::kRemoves, false}};
        if (one.met == nullptr) {
            EXPECT_EQ(Codes(report), Set{});
            continue;
        }
        EXPECT_EQ(Codes(report), Set{"lifecycle-rule"});
        const Finding finding = Only(report);
        EXPECT_NE(finding.sentence.find("rule \"tidy\" removes" + std::string(one.met)), std::string::npos)
            << finding.sentence;
        EXPECT_EQ(DoctorExitCode({finding}), 2);
    }
}

TEST(DoctorLifecycle, SaysWhatARuleDoesAndToHowMany)
{
    SourceReport report = Sound();
    report.lake.lifecycle_rules = {{"number 1", "", LifecycleRule::Deed::kArchives, false},
                                   {"number 2", "", LifecycleRule::Deed::kRemoves, true}};
    const auto findings = Judge({report});
    ASSERT_EQ(findings.size(), 2U);
    EXPECT_EQ(FactsOf(findings[0].code).name, "lifecycle-rule");
    EXPECT_NE(findings[0].sentence.find("rule number 1 archives objects below"), std::string::npos);
    EXPECT_EQ(FactsOf(findings[1].code).name, "lifecycle-rule-for-some");
    EXPECT_NE(findings[1].sentence.find("rule number 2 removes some objects below"), std::string::npos);
    EXPECT_EQ(DoctorExitCode({findings[1]}), 1);
}

TEST(DoctorLifecycle, NotToSeeItIsNoTrouble)
{
    SourceReport report = Sound();
    report.lake.lifecycle_error =
        Error{ErrorKind::kPermanent,
              "cannot see the lifecycle rules of s3://b: 403; allow s3:GetLifecycleConfiguration there"};
    const Finding finding = Only(report);
    EXPECT_EQ(FactsOf(finding.code).name, "lifecycle-hidden");
    EXPECT_EQ(finding.sentence, "cannot see the lifecycle rules of s3://b: 403");
    EXPECT_EQ(finding.fixes.at(0).text,
              "allow s3:GetLifecycleConfiguration there; no rule may remove or archive objects below"
              " cell1.main/log/, cell1.main/parts/, cell1.main/events/");
    EXPECT_EQ(DoctorExitCode({finding}), 0);
    report.lake.lifecycle_error->text = "cannot see them";
    EXPECT_TRUE(Only(report).fixes.at(0).text.starts_with("look for them with the store's own tools; "));
}

TEST(Doctor, TheClockMayBeUncertain)
{
    SourceReport report = Sound();
    report.server.clock_skew_s = -8;
    report.server.clock_error_s = 4;
    EXPECT_EQ(Codes(report), Set{});
    report.server.clock_error_s = 0.1;
    EXPECT_NE(Only(report).sentence.find("8.0 s behind"), std::string::npos);
}

TEST(Doctor, OneSlotForTwoSources)
{
    SourceReport first = Sound();
    SourceReport second = Sound();
    second.names.source = "cell2.main";
    EXPECT_EQ(Codes(Judge({first, second})), Set{"same-slot-twice"});
    second.server.source->system_id = 8;
    EXPECT_EQ(Codes(Judge({first, second})), Set{});
    second.server = ServerFacts{};
    second.server.connect_error = SourceError{"", "no"};
    EXPECT_EQ(Codes(Judge({first, second})), (Set{"same-slot-twice", "cannot-connect"}));
    second.names.conninfo = "host=elsewhere";
    EXPECT_EQ(Codes(Judge({first, second})), Set{"cannot-connect"});
}

// ---- words ----

TEST(DoctorText, Quotes)
{
    EXPECT_EQ(ShellQuoted("/etc/a.toml"), "/etc/a.toml");
    EXPECT_EQ(ShellQuoted("dbname=a user=b"), "'dbname=a user=b'");
    EXPECT_EQ(ShellQuoted("it's"), "'it'\\''s'");
    EXPECT_EQ(ShellQuoted(""), "''");
    EXPECT_EQ(SizeText(512), "512 B");
    EXPECT_EQ(SizeText(uint64_t{3} << 30), "3.0 GiB");
    EXPECT_EQ(ListText({"a", "b", "c"}, 2), "a, b and 1 more");
    DoctorNames names;
    const auto with = [&](const char* conninfo) {
        names.conninfo = conninfo;
        return WithConninfo(names, "dbname", "x").text;
    };
    EXPECT_EQ(with("host=/s"), R"(conninfo = "host=/s dbname=x")");
    EXPECT_EQ(with("dbname=app host=/s"), R"(conninfo = "dbname=x host=/s")");
    EXPECT_EQ(with("host=/s dbname=app"), R"(conninfo = "host=/s dbname=x")");
    EXPECT_EQ(with(R"(options='-c a="b"' dbname=y)"),
              R"(conninfo = "options='-c a=\"b\"' dbname=y dbname=x")");
    names.conninfo = "host=/s";
    EXPECT_EQ(WithConninfo(names, "dbname", "it's\n\\ \"").text,
              R"(conninfo = "host=/s dbname='it\\'s\u000a\\\\ \"'")");
    EXPECT_EQ(with("password=secret"), "set dbname=x in conninfo");
    EXPECT_EQ(with("postgresql:///app"), "set dbname=x in conninfo");
    names.source = "cell1.main";
    EXPECT_EQ(AnotherSlot(names).text, "slot = \"wal2lake_cell1_main\"");
    names.slot = "wal2lake_cell1_main";
    EXPECT_EQ(AnotherSlot(names).text, "slot = \"wal2lake_cell1_main_2\"");
}

TEST(DoctorText, JsonAndText)
{
    const std::vector<Finding> findings = {
        {Code::kSlotMissing, "a", "slot s", "it is \"gone\"", {{Fix::Kind::kSql, "SELECT 1;\nSELECT 2;"}}}};
    EXPECT_EQ(FormatFindingsJson(findings),
              R"({"errors":1,"warnings":0,"infos":0,"findings":[{"severity":"error","code":"slot-missing",)"
              R"("source":"a","object":"slot s","finding":"it is \"gone\"",)"
              R"("fix":[{"kind":"sql","text":"SELECT 1;\nSELECT 2;"}]}]})"
              "\n");
    EXPECT_EQ(FormatFindings(findings, false), "error   slot-missing              a: slot s\n"
                                               "        it is \"gone\"\n"
                                               "        fix (sql):\n"
                                               "            SELECT 1;\n"
                                               "            SELECT 2;\n"
                                               "1 error, 0 warnings, 0 notes\n");
    EXPECT_EQ(FormatFindings(findings, true).find("\033[31merror"), 0U);
    // A name orders nothing, neither the terminal nor who reads it.
    const std::vector<Finding> hostile = {{Code::kLogGap,
                                           "a",
                                           "table \"\033[2J\n0 errors\"",
                                           "it is \033\n\"x\"",
                                           {{Fix::Kind::kSql, "DROP ROLE \"\033\";"},
                                            {Fix::Kind::kShell, "ls '\n'"},
                                            {Fix::Kind::kAdvice, "a\nb"}}}};
    EXPECT_EQ(FormatFindings(hostile, false),
              "error   log-gap                   a: table \"\\x1b[2J\\x0a0 errors\"\n"
              "        it is \\x1b \"x\"\n"
              "        fix (sql):\n"
              "            DROP ROLE U&\"\\001B\";\n"
              "        fix (shell):\n"
              "            ls '\\x0a'\n"
              "        fix (advice):\n"
              "            a b\n"
              "1 error, 0 warnings, 0 notes\n");
    EXPECT_EQ(DoctorExitCode(findings), 2);
}

} // namespace
} // namespace wal2lake
