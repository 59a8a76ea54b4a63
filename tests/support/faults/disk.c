/* A disk that fails, and forgets: preloaded into a host by tests.
 *
 * It stands between the host and its SQLite files (not their -shm, which nothing needs after a crash). Calls fail as the
 * control file says. Beside each file it keeps what a disk would hold after a power cut: a write gets there when a sync
 * that comes after it has succeeded, and a sync that fails forgets what it should have written, as Linux does: the page is
 * clean in the cache and old on the disk. Names (making, removing) are on the disk at once.
 *
 * Nothing here allocates while it holds the lock but the list of a file's ranges.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* What the test writes and reads: how many of a million calls fail, and how many have failed. */
struct control {
    _Atomic uint32_t read, write, shortened, sync;
    _Atomic uint64_t reads, writes, shorteneds, syncs;
};

struct range {
    off_t from, to;
};

struct file {
    char path[PATH_MAX];
    struct range *ranges;
    size_t count, room;
    struct file *next;
};

static struct control *control;
static const char *watched, *shadow;
static size_t watched_length;
static struct file *files;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int), (*real_fdatasync)(int);
static int (*real_unlink)(const char *);

__attribute__((constructor)) static void begin(void) {
    real_read = dlsym(RTLD_NEXT, "read");
    real_pread = dlsym(RTLD_NEXT, "pread64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    const char *at = getenv("WASMBAY_FAULTS_CONTROL");
    const char *under = getenv("WASMBAY_FAULTS_WATCHED"), *beside = getenv("WASMBAY_FAULTS_SHADOW");
    if (!at || !under || !beside)
        return;
    int fd = open(at, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        abort();
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED)
        abort();
    watched = under, shadow = beside, watched_length = strlen(under), control = mapped;
}

static int is_watched(const char *path) {
    return control && strncmp(path, watched, watched_length) == 0 && strstr(path, ".sqlite") != NULL
        && strstr(path, "-shm") == NULL;
}

/* The path of an open file that is watched. */
static int path_of(int fd, char path[PATH_MAX]) {
    if (!control)
        return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return is_watched(path) && strstr(path, " (deleted)") == NULL;
}

static int fails(_Atomic uint32_t *rate, _Atomic uint64_t *count) {
    uint32_t of_a_million = atomic_load(rate);
    static __thread uint64_t state;
    if (of_a_million == 0)
        return 0;
    if (state == 0)
        state = ((uint64_t)getpid() << 32) ^ (uint64_t)(uintptr_t)&state ^ (uint64_t)random();
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    if (state % 1000000 >= of_a_million)
        return 0;
    atomic_fetch_add(count, 1);
    return 1;
}

/* Under the lock. */
static struct file *known(const char *path) {
    struct file *file;
    for (file = files; file; file = file->next)
        if (strcmp(file->path, path) == 0)
            return file;
    file = calloc(1, sizeof *file);
    if (!file)
        abort();
    snprintf(file->path, sizeof file->path, "%s", path);
    file->next = files;
    return files = file;
}

static void note(const char *path, off_t from, ssize_t length) {
    if (length <= 0)
        return;
    pthread_mutex_lock(&lock);
    struct file *file = known(path);
    if (file->count == file->room) {
        file->room = file->room ? 2 * file->room : 64;
        file->ranges = realloc(file->ranges, file->room * sizeof *file->ranges);
        if (!file->ranges)
            abort();
    }
    file->ranges[file->count++] = (struct range){from, from + length};
    pthread_mutex_unlock(&lock);
}

static void shadow_of(const char *path, char to[PATH_MAX]) {
    snprintf(to, PATH_MAX, "%s%s", shadow, path + watched_length);
}

static void make_folders(char *path) {
    for (char *slash = strchr(path + strlen(shadow) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
}

/* What was written since the last sync is on the disk now, and with it the file's length. Under the lock. */
static void keep(struct file *file) {
    static char bytes[1 << 16];
    char to[PATH_MAX];
    shadow_of(file->path, to);
    make_folders(to);
    int from_fd = open(file->path, O_RDONLY | O_CLOEXEC), to_fd = open(to, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat now;
    if (from_fd >= 0 && to_fd >= 0 && fstat(from_fd, &now) == 0) {
        for (size_t n = 0; n < file->count; n++) {
            off_t at = file->ranges[n].from;
            while (at < file->ranges[n].to) {
                size_t most = (size_t)(file->ranges[n].to - at);
                ssize_t got = real_pread(from_fd, bytes, most < sizeof bytes ? most : sizeof bytes, at);
                if (got <= 0)
                    break;
                if (real_pwrite(to_fd, bytes, (size_t)got, at) != got)
                    abort();
                at += got;
            }
        }
        if (ftruncate(to_fd, now.st_size) != 0)
            abort();
    }
    if (from_fd >= 0)
        close(from_fd);
    if (to_fd >= 0)
        close(to_fd);
}

static int sync_of(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return real(fd);
    pthread_mutex_lock(&lock);
    struct file *file = known(path);
    int failed = fails(&control->sync, &control->syncs);
    if (!failed)
        keep(file);
    file->count = 0;
    pthread_mutex_unlock(&lock);
    if (failed)
        errno = EIO;
    return failed ? -1 : 0;
}

int fsync(int fd) {
    return sync_of(fd, real_fsync);
}

int fdatasync(int fd) {
    return sync_of(fd, real_fdatasync);
}

/* Whether the call is to fail; a write may also be cut to a part. */
static int write_fails(size_t *length) {
    if (fails(&control->write, &control->writes)) {
        errno = EIO;
        return 1;
    }
    if (*length > 1 && fails(&control->shortened, &control->shorteneds))
        *length /= 2;
    return 0;
}

ssize_t write(int fd, const void *from, size_t length) {
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return real_write(fd, from, length);
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (write_fails(&length))
        return -1;
    ssize_t written = real_write(fd, from, length);
    note(path, at, written);
    return written;
}

ssize_t pwrite64(int fd, const void *from, size_t length, off_t at) {
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return real_pwrite(fd, from, length, at);
    if (write_fails(&length))
        return -1;
    ssize_t written = real_pwrite(fd, from, length, at);
    note(path, at, written);
    return written;
}

ssize_t pwrite(int fd, const void *from, size_t length, off_t at) {
    return pwrite64(fd, from, length, at);
}

static int read_fails(int fd) {
    char path[PATH_MAX];
    if (!control || atomic_load(&control->read) == 0 || !path_of(fd, path))
        return 0;
    int failed = fails(&control->read, &control->reads);
    if (failed)
        errno = EIO;
    return failed;
}

ssize_t read(int fd, void *to, size_t length) {
    return read_fails(fd) ? -1 : real_read(fd, to, length);
}

ssize_t pread64(int fd, void *to, size_t length, off_t at) {
    return read_fails(fd) ? -1 : real_pread(fd, to, length, at);
}

ssize_t pread(int fd, void *to, size_t length, off_t at) {
    return pread64(fd, to, length, at);
}

int unlink(const char *path) {
    if (!is_watched(path))
        return real_unlink(path);
    char gone[PATH_MAX];
    shadow_of(path, gone);
    pthread_mutex_lock(&lock);
    known(path)->count = 0;
    real_unlink(gone);
    int result = real_unlink(path);
    pthread_mutex_unlock(&lock);
    return result;
}
