#include "core/key_file.h"

#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace
{

__attribute__((format(printf, 3, 4))) bool Fail(char* error, size_t size, const char* format, ...)
{
    if (error != nullptr && size > 0) {
        va_list arguments;
        va_start(arguments, format);
        std::vsnprintf(error, size, format, arguments);
        va_end(arguments);
    }
    return false;
}

int Base64Digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    if (c == '/')
        return 63;
    return -1;
}

/* 32 bytes are 43 base64 digits and one '='; the last digit has two bits to spare, which must be zero. */
bool DecodeKey(const char* text, size_t length, uint8_t* out)
{
    if (length != 44 || text[43] != '=')
        return false;
    uint32_t bits = 0;
    int available = 0;
    size_t written = 0;
    for (size_t i = 0; i < 43; ++i) {
        int digit = Base64Digit(text[i]);
        if (digit < 0)
            return false;
        bits = (bits << 6 | static_cast<uint32_t>(digit)) & 0xffff;
        available += 6;
        if (available >= 8) {
            available -= 8;
            out[written++] = static_cast<uint8_t>(bits >> available);
        }
    }
    return written == W2L_KEY_BYTES && (bits & ((1u << available) - 1)) == 0;
}

bool IsAllZero(const uint8_t* bytes, size_t length)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < length; ++i)
        sum |= bytes[i];
    return sum == 0;
}

/* One line without its newline. Empty and comment lines are fine. */
bool ParseLine(const char* line, size_t length, int number, w2l_key_set* out, char* error, size_t error_size)
{
    while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == ' ' || line[length - 1] == '\t'))
        --length;
    if (length == 0 || line[0] == '#')
        return true;

    size_t id_length = 0;
    while (id_length < length && line[id_length] != ' ' && line[id_length] != '\t')
        ++id_length;
    size_t start = id_length;
    while (start < length && (line[start] == ' ' || line[start] == '\t'))
        ++start;
    if (!w2l_is_key_id(line, id_length))
        return Fail(error, error_size,
                    "line %d does not begin with a key id (a-z, 0-9, _ and -, at most %d bytes)", number,
                    W2L_MAX_KEY_ID);
    if (out->count == W2L_MAX_KEYS)
        return Fail(error, error_size, "line %d is one key too many, at most %d are allowed", number,
                    W2L_MAX_KEYS);

    w2l_key* key = &out->keys[out->count];
    std::memcpy(key->id, line, id_length);
    key->id[id_length] = '\0';
    if (w2l_key_find(out, key->id) != nullptr)
        return Fail(error, error_size, "line %d repeats the key id \"%s\"", number, key->id);
    if (!DecodeKey(line + start, length - start, key->secret))
        return Fail(error, error_size, "line %d does not hold 32 bytes in base64 after the key id", number);
    if (IsAllZero(key->secret, sizeof key->secret))
        return Fail(error, error_size, "the key in line %d is all zero", number);
    ++out->count;
    return true;
}

/* True if `path`, a file that exists, lies in `directory` after both are resolved, or if that cannot be told. */
bool MayBeInside(const char* path, const char* directory)
{
    char file[PATH_MAX];
    char root[PATH_MAX];
    if (realpath(path, file) == nullptr || realpath(directory, root) == nullptr)
        return true;
    size_t length = std::strlen(root);
    return std::strncmp(file, root, length) == 0 && (file[length] == '/' || file[length] == '\0');
}

/* Everything about the opened file but its content. */
bool CheckFile(int descriptor, const char* path, const char* data_directory, char* error, size_t error_size)
{
    struct stat facts;
    if (fstat(descriptor, &facts) != 0)
        return Fail(error, error_size, "key file \"%s\" cannot be examined: %s", path, std::strerror(errno));
    if (!S_ISREG(facts.st_mode))
        return Fail(error, error_size, "key file \"%s\" is not a regular file", path);
    if (facts.st_uid != geteuid())
        return Fail(error, error_size, "key file \"%s\" is not owned by the server's user; run chown", path);
    if ((facts.st_mode & 077) != 0)
        return Fail(error, error_size, "key file \"%s\" is open to others (mode %04o); run chmod 0600", path,
                    static_cast<unsigned>(facts.st_mode & 07777));
    if (facts.st_size > W2L_MAX_KEY_FILE)
        return Fail(error, error_size, "key file \"%s\" is larger than %d bytes", path, W2L_MAX_KEY_FILE);
    if (data_directory != nullptr && MayBeInside(path, data_directory))
        return Fail(
            error, error_size,
            "key file \"%s\" is inside the data directory, where base backups would carry it; move it out",
            path);
    return true;
}

} // namespace

extern "C" bool w2l_key_file_parse(const char* text, size_t length, w2l_key_set* out, char* error,
                                   size_t error_size) noexcept
{
    std::memset(out, 0, sizeof *out);
    const char* cursor = text;
    const char* end = text + length;
    for (int number = 1; cursor < end; ++number) {
        const char* newline =
            static_cast<const char*>(std::memchr(cursor, '\n', static_cast<size_t>(end - cursor)));
        const char* stop = newline != nullptr ? newline : end;
        if (!ParseLine(cursor, static_cast<size_t>(stop - cursor), number, out, error, error_size)) {
            w2l_wipe(out, sizeof *out);
            return false;
        }
        cursor = newline != nullptr ? newline + 1 : end;
    }
    if (out->count == 0)
        return Fail(error, error_size, "it holds no key; a line is \"id base64-of-32-bytes\"");
    return true;
}

extern "C" bool w2l_key_file_read(const char* path, const char* data_directory, w2l_key_set* out, char* error,
                                  size_t error_size) noexcept
{
    std::memset(out, 0, sizeof *out);
    if (path[0] != '/')
        return Fail(error, error_size, "key file \"%s\" is not an absolute path", path);
    /* O_NONBLOCK, so that a named pipe is refused rather than waited for. */
    int descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        if (errno == ELOOP)
            return Fail(error, error_size, "key file \"%s\" is a symbolic link; name the file itself", path);
        return Fail(error, error_size, "key file \"%s\" cannot be opened: %s", path, std::strerror(errno));
    }
    if (!CheckFile(descriptor, path, data_directory, error, error_size)) {
        close(descriptor);
        return false;
    }

    char text[W2L_MAX_KEY_FILE];
    size_t length = 0;
    ssize_t got = 0;
    while (length < sizeof text) {
        got = read(descriptor, text + length, sizeof text - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        length += static_cast<size_t>(got);
    }
    int read_error = errno;
    close(descriptor);

    bool ok;
    if (got < 0) {
        ok = Fail(error, error_size, "key file \"%s\" cannot be read: %s", path, std::strerror(read_error));
    } else {
        char reason[200];
        ok = w2l_key_file_parse(text, length, out, reason, sizeof reason);
        if (!ok)
            Fail(error, error_size, "key file \"%s\" is malformed: %s", path, reason);
    }
    w2l_wipe(text, sizeof text);
    return ok;
}

extern "C" const w2l_key* w2l_key_find(const w2l_key_set* set, const char* id) noexcept
{
    for (size_t i = 0; i < set->count; ++i)
        if (std::strcmp(set->keys[i].id, id) == 0)
            return &set->keys[i];
    return nullptr;
}

extern "C" void w2l_wipe(void* memory, size_t length) noexcept
{
    explicit_bzero(memory, length);
}
