// A value or an error with a kind to branch on and a sentence for people.
// Used all over the command; knows nothing of it.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace wal2lake
{

enum class ErrorKind {
    // The named thing is not there.
    kNotFound,
    // The name is taken (create-if-absent).
    kExists,
    // May work later by itself: no space, an I/O error, a lost connection.
    kRetryable,
    // Will not work until somebody changes something: permission, bad name.
    kPermanent,
    // The bytes are there and are wrong.
    kDamaged,
    // What was asked for makes no sense: usage or configuration.
    kInvalid,
};

struct Error {
    ErrorKind kind = ErrorKind::kPermanent;
    // Lower case, no full stop, names the thing; may go on with "; " and a fix.
    std::string text;
};

// For results without a value.
struct Done {
};

template <typename T>
class [[nodiscard]] Result
{
  public:
    Result(T value) : state_(std::move(value)) {}
    Result(Error error) : state_(std::move(error)) {}

    bool ok() const { return state_.index() == 0; }
    // Only where ok().
    T& value() { return std::get<0>(state_); }
    const T& value() const { return std::get<0>(state_); }
    // Only where not ok().
    const Error& error() const { return std::get<1>(state_); }

  private:
    std::variant<T, Error> state_;
};

} // namespace wal2lake
