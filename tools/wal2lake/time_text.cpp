#include "time_text.h"

#include <cstdio>

namespace wal2lake
{
namespace
{

constexpr int64_t kDayUs = 86'400'000'000;
constexpr int64_t kSecondUs = 1'000'000;

struct Date {
    // Astronomical: 0 is 1 BC.
    int64_t year;
    unsigned month;
    unsigned day;
};

int64_t FloorDiv(int64_t a, int64_t b)
{
    const int64_t quotient = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

// Not a - FloorDiv(a, b) * b, whose product may be less than 64 bits hold.
int64_t FloorMod(int64_t a, int64_t b)
{
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

bool IsLeap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

Date DateOf(int64_t days)
{
    // 400 Gregorian years are 146097 days; 1970-01-01 is day 719162 of year 1.
    constexpr int64_t kCycleDays = 146'097;
    constexpr int64_t kYearOneDays = 719'162;
    // Whole cycles first: the sum may be more than 64 bits hold.
    int64_t cycle = FloorDiv(days, kCycleDays);
    int64_t rest = FloorMod(days, kCycleDays) + kYearOneDays;
    cycle += rest / kCycleDays;
    rest %= kCycleDays;
    Date date{cycle * 400 + 1, 1, 1};
    const int64_t centuries = rest / 36'524 > 3 ? 3 : rest / 36'524;
    rest -= centuries * 36'524;
    const int64_t fours = rest / 1461;
    rest -= fours * 1461;
    const int64_t ones = rest / 365 > 3 ? 3 : rest / 365;
    rest -= ones * 365;
    date.year += centuries * 100 + fours * 4 + ones;
    static constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (;;) {
        const unsigned length = kDays[date.month - 1] + (date.month == 2 && IsLeap(date.year) ? 1U : 0U);
        if (rest < length)
            break;
        rest -= length;
        date.month++;
    }
    date.day = static_cast<unsigned>(rest) + 1;
    return date;
}

std::string DayText(const Date& date)
{
    char text[40];
    const int64_t shown = date.year > 0 ? date.year : 1 - date.year;
    std::snprintf(text, sizeof text, "%04lld-%02u-%02u", static_cast<long long>(shown), date.month, date.day);
    return text;
}

const char* Era(const Date& date)
{
    return date.year > 0 ? "" : " BC";
}

} // namespace

std::string DateText(int64_t days)
{
    const Date date = DateOf(days);
    return DayText(date) + Era(date);
}

std::string TimeText(int64_t microseconds)
{
    const auto seconds = static_cast<long long>(microseconds / kSecondUs);
    char text[48];
    std::snprintf(text, sizeof text, "%02lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60, seconds % 60);
    std::string whole = text;
    if (microseconds % kSecondUs != 0) {
        std::snprintf(text, sizeof text, ".%06lld", static_cast<long long>(microseconds % kSecondUs));
        whole += text;
        while (whole.back() == '0')
            whole.pop_back();
    }
    return whole;
}

std::string TimestampText(int64_t microseconds, const char* zone)
{
    const int64_t days = FloorDiv(microseconds, kDayUs);
    const Date date = DateOf(days);
    return DayText(date) + " " + TimeText(FloorMod(microseconds, kDayUs)) + zone + Era(date);
}

std::string Rfc3339(int64_t microseconds)
{
    const int64_t days = FloorDiv(microseconds, kDayUs);
    const int64_t rest = FloorMod(microseconds, kDayUs);
    const auto seconds = static_cast<long long>(rest / kSecondUs);
    char text[48];
    std::snprintf(text, sizeof text, "T%02lld:%02lld:%02lld.%06lldZ", seconds / 3600, seconds / 60 % 60,
                  seconds % 60, static_cast<long long>(rest % kSecondUs));
    return DayText(DateOf(days)) + text;
}

} // namespace wal2lake
