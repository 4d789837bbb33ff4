/* A disk that fails when it is told to, and that writes down what happens to the state. Preloaded into the agent.
 *
 * DISK_ROOT     only files below it count; not those below its run/, which is no disk
 * DISK_CONTROL  a file of four numbers: calls seen, the first that fails, the first that does not fail any more, the
 *               error (0: none fails)
 * DISK_LOG      gets a record for each write, sync and truncation of the state's files: what, which file, two bytes of
 *               nothing, length of the data, offset, data
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static struct { int seen, from, until, error; } *control;
static const char *root;
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* A child on its way to another program must not wait for a thread that it does not have. */
static pid_t owner;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_CONTROL");
    root = getenv("DISK_ROOT");
    owner = getpid();
    if (path) {
        int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);
        void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at != MAP_FAILED) control = at;
    }
    path = getenv("DISK_LOG");
    if (path) log_fd = REAL(open)(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    /* what the agent starts is not meant */
    unsetenv("LD_PRELOAD");
}

static const char *name_of(int fd, char *out) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, PATH_MAX - 1);
    out[length < 0 ? 0 : length] = 0;
    return out;
}

static const char *name_at(int dir, const char *path, char *out) {
    if (path[0] == '/') return path;
    char folder[PATH_MAX];
    if (dir == AT_FDCWD) folder[0] = 0;
    else name_of(dir, folder);
    snprintf(out, PATH_MAX, "%.2000s/%.2000s", folder, path);
    return out;
}

/* A call that changes something at `path`: does it fail? */
static int fails(const char *path) {
    if (!control || !root || getpid() != owner) return 0;
    size_t length = strlen(root);
    if (strncmp(path, root, length) || !strncmp(path + length, "/run/", 5)) return 0;
    int call = __atomic_add_fetch(&control->seen, 1, __ATOMIC_SEQ_CST);
    int error = __atomic_load_n(&control->error, __ATOMIC_SEQ_CST);
    if (!error || call < control->from || call >= control->until) return 0;
    errno = error;
    return 1;
}

static int fails_fd(int fd) {
    char path[PATH_MAX];
    return fd > 2 && fails(name_of(fd, path));
}

static void note_at(char what, const char *path, const void *data, uint32_t length, uint64_t offset) {
    const char *end = log_fd < 0 ? NULL : strrchr(path, '/');
    if (!end || strncmp(end, "/state.db", 9)) return;
    char file = !end[9] ? 'd' : !strcmp(end + 9, "-wal") ? 'w' : !strcmp(end + 9, "-journal") ? 'j' : 0;
    if (!file) return;
    char head[16] = {what, file};
    memcpy(head + 4, &length, 4);
    memcpy(head + 8, &offset, 8);
    struct iovec parts[2] = {{head, sizeof head}, {(void *)data, data ? length : 0}};
    REAL(writev)(log_fd, parts, 2);
}

static void note(char what, int fd, const void *data, uint32_t length, uint64_t offset) {
    char path[PATH_MAX];
    if (log_fd >= 0 && fd > 2) note_at(what, name_of(fd, path), data, length, offset);
}

/* Is this file one of the state's, and is it to be logged? */
static int is_logged(int fd) {
    char path[PATH_MAX];
    return log_fd >= 0 && fd > 2 && getpid() == owner && strstr(name_of(fd, path), "/state.db");
}

ssize_t write(int fd, const void *data, size_t length) {
    if (fails_fd(fd)) return -1;
    if (!is_logged(fd)) return REAL(write)(fd, data, length);
    pthread_mutex_lock(&lock);
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t done = REAL(write)(fd, data, length);
    int error = errno;
    if (done > 0) note('W', fd, data, done, at);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) {
    if (fails_fd(fd)) return -1;
    if (!is_logged(fd)) return REAL(pwrite64)(fd, data, length, at);
    pthread_mutex_lock(&lock);
    ssize_t done = REAL(pwrite64)(fd, data, length, at);
    int error = errno;
    if (done > 0) note('W', fd, data, done, at);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return pwrite64(fd, data, length, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
    return fails_fd(fd) ? -1 : REAL(writev)(fd, parts, count);
}

static int synced(int fd, int done) {
    int error = errno;
    if (!done) note('S', fd, NULL, 0, 0);
    errno = error;
    return done;
}
int fsync(int fd) { return fails_fd(fd) ? -1 : synced(fd, REAL(fsync)(fd)); }
int fdatasync(int fd) { return fails_fd(fd) ? -1 : synced(fd, REAL(fdatasync)(fd)); }
int syncfs(int fd) { return fails_fd(fd) ? -1 : REAL(syncfs)(fd); }
int ftruncate64(int fd, off64_t size) {
    if (fails_fd(fd)) return -1;
    int done = REAL(ftruncate64)(fd, size);
    if (!done) note('T', fd, NULL, 0, size);
    return done;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) { va_list more; va_start(more, flags); mode = va_arg(more, int); va_end(more); }

int openat64(int dir, const char *path, int flags, ...) {
    char full[PATH_MAX];
    MODE(flags)
    if ((flags & O_CREAT) && fails(name_at(dir, path, full))) return -1;
    return REAL(openat64)(dir, path, flags, mode);
}
int openat(int dir, const char *path, int flags, ...) { MODE(flags) return openat64(dir, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return openat64(AT_FDCWD, path, flags, mode); }
int open(const char *path, int flags, ...) { MODE(flags) return openat64(AT_FDCWD, path, flags, mode); }

#define BY_PATH(name, arguments, path, call) \
    int name arguments { char full[PATH_MAX]; (void)full; return fails(path) ? -1 : REAL(name) call; }
BY_PATH(rename, (const char *from, const char *to), to, (from, to))
BY_PATH(renameat, (int a, const char *from, int b, const char *to), name_at(b, to, full), (a, from, b, to))
int unlink(const char *path) {
    if (fails(path)) return -1;
    int done = REAL(unlink)(path);
    if (!done) note_at('T', path, NULL, 0, 0);
    return done;
}
BY_PATH(unlinkat, (int dir, const char *path, int flags), name_at(dir, path, full), (dir, path, flags))
BY_PATH(rmdir, (const char *path), path, (path))
BY_PATH(mkdir, (const char *path, mode_t mode), path, (path, mode))
BY_PATH(mkdirat, (int dir, const char *path, mode_t mode), name_at(dir, path, full), (dir, path, mode))
BY_PATH(symlink, (const char *leads, const char *path), path, (leads, path))
BY_PATH(symlinkat, (const char *leads, int dir, const char *path), name_at(dir, path, full), (leads, dir, path))
BY_PATH(link, (const char *from, const char *to), to, (from, to))
