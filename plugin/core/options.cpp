#include "core/options.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <strings.h>

namespace
{

bool Is(const char* text, const char* word)
{
    return std::strcmp(text, word) == 0;
}

/* A beginning of `word` of at least `least` letters, in any case. */
bool Begins(const char* text, const char* word, size_t least)
{
    const size_t length = std::strlen(text);
    return length >= least && length <= std::strlen(word) && strncasecmp(text, word, length) == 0;
}

/* As the server reads its own settings: on, off, true, false, yes, no, 1, 0 and what they begin with. */
bool ParseBool(const char* text, bool* out)
{
    if (Begins(text, "true", 1) || Begins(text, "yes", 1) || Begins(text, "on", 2) || Is(text, "1"))
        *out = true;
    else if (Begins(text, "false", 1) || Begins(text, "no", 1) || Begins(text, "off", 2) || Is(text, "0"))
        *out = false;
    else
        return false;
    return true;
}

/* Decimal, octal or hexadecimal, as the server reads a whole number; blanks around it are fine. */
bool ParseInt(const char* text, long* out)
{
    char* end = nullptr;
    errno = 0;
    *out = std::strtol(text, &end, 0);
    if (end == text || errno != 0)
        return false;
    end += std::strspn(end, " \t\n\v\f\r");
    return *end == '\0';
}

} // namespace

extern "C" w2l_options w2l_default_options(void) noexcept
{
    return {W2L_DEFAULT_BATCH_BYTES, false, false, true};
}

extern "C" w2l_option_answer w2l_take_option(const char* name, const char* value, w2l_options* out,
                                             const char** hint) noexcept
{
    *hint = nullptr;
    if (Is(name, "tables") || Is(name, "exclude_tables")) {
        *hint = "Label a table \"exclude\" to keep it out.";
        return W2L_OPTION_NOT_SERVED;
    }
    const bool switch_ = Is(name, "streaming") || Is(name, "two_phase") || Is(name, "messages");
    const bool format = Is(name, "format_version");
    if (!switch_ && !format && !Is(name, "max_batch_bytes") && !Is(name, "origin")) {
        *hint = "Options are format_version, max_batch_bytes, origin, streaming, two_phase and messages.";
        return W2L_OPTION_UNKNOWN;
    }
    if (value == nullptr)
        return W2L_OPTION_NEEDS_VALUE;
    if (switch_) {
        bool on = false;
        const bool ok = ParseBool(value, &on);
        if (ok && Is(name, "streaming"))
            out->streaming = on;
        if (ok && Is(name, "messages"))
            out->messages = on;
        if (ok && (!on || !Is(name, "two_phase")))
            return W2L_OPTION_TAKEN;
        *hint = ok ? "Leave it out, or set it to off: a prepared transaction is sent when it commits."
                   : "Use on or off.";
        return ok ? W2L_OPTION_NOT_SERVED : W2L_OPTION_INVALID_VALUE;
    }
    if (Is(name, "origin")) {
        *hint = "Use any or none.";
        if (!Is(value, "any") && !Is(value, "none"))
            return W2L_OPTION_INVALID_VALUE;
        out->local_origin_only = Is(value, "none");
        return W2L_OPTION_TAKEN;
    }
    if (format) {
        long version = 0;
        *hint = "Upgrade whichever is older, the plugin on the server or what reads its stream.";
        return ParseInt(value, &version) && version == W2L_FORMAT_VERSION ? W2L_OPTION_TAKEN
                                                                          : W2L_OPTION_OTHER_FORMAT;
    }
    long bytes = 0;
    *hint = "Use a number of bytes from 1024 to 1048576.";
    if (!ParseInt(value, &bytes) || bytes < W2L_MIN_BATCH_BYTES || bytes > W2L_MAX_BATCH_BYTES)
        return W2L_OPTION_INVALID_VALUE;
    out->max_batch_bytes = static_cast<int>(bytes);
    return W2L_OPTION_TAKEN;
}
