/* A host with something wrong, for a command that is started with it in LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* ODD_CLOCK: seconds that the wall clock is ahead. */
int clock_gettime(clockid_t clock, struct timespec* now)
{
    int (*real)(clockid_t, struct timespec*) = dlsym(RTLD_NEXT, "clock_gettime");
    const int result = real(clock, now);
    const char* ahead = getenv("ODD_CLOCK");
    if (result == 0 && clock == CLOCK_REALTIME && ahead != NULL)
        now->tv_sec += atoi(ahead);
    return result;
}

/* ODD_FREE: bytes that every file system has left. */
int statvfs(const char* path, struct statvfs* space)
{
    int (*real)(const char*, struct statvfs*) = dlsym(RTLD_NEXT, "statvfs");
    const int result = real(path, space);
    const char* left = getenv("ODD_FREE");
    if (result == 0 && left != NULL)
        space->f_bavail = strtoull(left, NULL, 10) / space->f_frsize;
    return result;
}

/* ODD_LINK: link() replaces what is there, as on a file system that is none. */
int link(const char* from, const char* to)
{
    int (*real)(const char*, const char*) = dlsym(RTLD_NEXT, "link");
    if (getenv("ODD_LINK") != NULL)
        unlink(to);
    return real(from, to);
}
