/* A preload shim that remembers what a power cut would have lost.
 *
 * `kill -9` does not empty the page cache, so it proves nothing about fsync. With
 *     LD_PRELOAD=librollback.so ROLLBACK_ROOTS=/data[:/more] ROLLBACK_DIR=/side
 * a process journals, in /side, how to undo each change under the roots that it has not synced yet.
 * After the kill, rollback.py undoes all of it: the files are then what a power cut at the worst
 * moment would have left.
 *
 * What counts as synced, after what ext4 and xfs promise and no more:
 *   fsync, fdatasync of a file   its earlier writes and truncations, the entry it was created or renamed to,
 *                                and what was written through mappings of it
 *   msync(MS_SYNC)               the same, and of the mapped pages those in the range
 *   O_SYNC, O_DSYNC              each write by itself
 *   fsync of a directory         what was created, renamed and unlinked in it
 *   sync_file_range              nothing (its manual says so)
 * Syncs of files whose name begins with ROLLBACK_LIES do nothing here: a disk that lies, for controls.
 *
 * Files are known by inode; the journal of one is `<dev>-<ino>.head` (shared by processes, with a lock
 * that outlives its holder), `.undo` (pre-images, in order) and `.map` (what mapped pages were at their
 * last sync). Directory changes stand in `dirs.head`; unlinked and overwritten files wait as hard links
 * in `graves/`, so the side directory must be on the same file system.
 *
 * Not seen: writes that stdio makes by itself (fwrite), io_uring, copy_file_range. Files whose name ends
 * in `-shm` are never durable and are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS = 65536, FILES = 65536, MAPS = 4096, PATH = 448, DIR_OPS = 65536, PAGE = 4096 };

/* Layouts that rollback.py reads too. */
typedef struct { uint64_t offset, length, size; } Undo; /* then `length` old bytes; size was the file's */
typedef struct {
    char magic[8];
    _Atomic uint64_t end, cleared; /* records in [cleared, end) are not synced; both only grow */
    _Atomic uint64_t base;         /* the record at `base` begins the .undo file */
    uint64_t map_begin, map_end;   /* the range of the file that .map holds */
    uint64_t dev, ino;
    _Atomic uint32_t dead;
    uint32_t pad;
    char path[PATH];
    pthread_mutex_t lock;
} Head;
typedef struct {
    _Atomic uint32_t kind; /* 0 synced or undone by itself, 'c' created, 'r' renamed, 'u' unlinked */
    uint32_t grave;        /* number in graves/ of what was there before, 0 for none */
    uint64_t dev, ino;
    char from[PATH], to[PATH];
} DirOp;
typedef struct {
    char magic[8];
    _Atomic uint64_t count, pending, graves;
    pthread_mutex_t lock;
    char pad[PAGE];
    DirOp ops[DIR_OPS];
} Dirs;

typedef struct File {
    uint64_t dev, ino;
    Head *head;
    int undo, map, read;
    struct File *next;
} File;
typedef struct { char *address; size_t length; uint64_t offset; File *file; } Map;

static File *const UNTRACKED = (File *)1;
static _Atomic(File *) by_fd[FDS];
static _Atomic uint8_t synchronous[FDS];
static File *by_inode[FILES];
static Map maps[MAPS];
static _Atomic int maps_used;
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static char roots[8][PATH], side[PATH];
static char lies[PATH];
static int roots_used;
static Dirs *dirs;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#define REAL(name) ((__typeof__(name) *)real(#name, &real_##name))
#define DECLARE(name) static void *real_##name
static void *real(const char *name, void **kept) {
    if (!*kept) *kept = dlsym(RTLD_NEXT, name);
    return *kept;
}
DECLARE(open); DECLARE(openat); DECLARE(close); DECLARE(dup2); DECLARE(dup3); DECLARE(write); DECLARE(pwrite);
DECLARE(writev); DECLARE(pwritev); DECLARE(ftruncate); DECLARE(fallocate); DECLARE(posix_fallocate);
DECLARE(rename);
DECLARE(renameat2); DECLARE(unlink); DECLARE(unlinkat); DECLARE(remove); DECLARE(fsync); DECLARE(fdatasync);
DECLARE(msync); DECLARE(mmap); DECLARE(munmap); DECLARE(fopen);

static void die(const char *what) {
    dprintf(2, "rollback shim: %s: %s\n", what, strerror(errno));
    abort();
}

static void *shared(const char *name, size_t size, bool *fresh) {
    char path[PATH + 64];
    snprintf(path, sizeof path, "%s/%s", side, name);
    int fd = REAL(open)(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat status;
    if (fd < 0 || fstat(fd, &status)) die(path);
    *fresh = (size_t)status.st_size < size;
    if (*fresh && REAL(ftruncate)(fd, (off_t)size)) die(path);
    void *memory = REAL(mmap)(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) die(path);
    REAL(close)(fd);
    return memory;
}

static void init_lock(pthread_mutex_t *lock) {
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(lock, &kind);
}
static void acquire(pthread_mutex_t *lock) {
    /* A holder that was killed leaves a journal that is good up to `end`. */
    if (pthread_mutex_lock(lock) == EOWNERDEAD) pthread_mutex_consistent(lock);
}

/* Serialises the making of shared files between processes; the tables are per process. */
static int gate(void) {
    char path[PATH + 64];
    snprintf(path, sizeof path, "%s/gate", side);
    int fd = REAL(open)(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fd < 0 || fcntl(fd, F_OFD_SETLKW, &whole)) die(path);
    return fd;
}

static void setup(void) {
    const char *wanted = getenv("ROLLBACK_ROOTS"), *where = getenv("ROLLBACK_DIR");
    if (!wanted || !where) return;
    char copy[8 * PATH], *rest = copy;
    snprintf(copy, sizeof copy, "%s", wanted);
    snprintf(side, sizeof side, "%s", where);
    /* A copy: a server that shows its state in its title overwrites the environment's memory. */
    snprintf(lies, sizeof lies, "%s", getenv("ROLLBACK_LIES") ? getenv("ROLLBACK_LIES") : "");
    for (char *root; (root = strsep(&rest, ":")) && roots_used < 8;) {
        char found[PATH_MAX];
        if (!*root) continue;
        const char *resolved = realpath(root, found) ? found : root;
        snprintf(roots[roots_used++], PATH, "%.*s", PATH - 1, resolved);
    }
    bool fresh;
    int fd = gate();
    dirs = shared("dirs.head", sizeof(Dirs), &fresh);
    if (fresh) {
        init_lock(&dirs->lock);
        memcpy(dirs->magic, "ROLLDIR1", 8);
    }
    REAL(close)(fd);
}
static bool on(void) {
    pthread_once(&once, setup);
    return roots_used > 0;
}
__attribute__((constructor)) static void begin(void) { on(); }

static bool wanted(const char *path) {
    size_t length = strlen(path);
    if (length >= 4 && !strcmp(path + length - 4, "-shm")) return false;
    if (!strncmp(path, side, strlen(side)) && path[strlen(side)] == '/') return false;
    for (int i = 0; i < roots_used; i++) {
        size_t root = strlen(roots[i]);
        if (!strncmp(path, roots[i], root) && (path[root] == '/' || !path[root])) return true;
    }
    return false;
}

/* Gives the absolute path of a name, with its directory resolved; false where that does not exist. */
static bool absolute(int at, const char *name, char *path) {
    char joined[2 * PATH_MAX], folder[PATH_MAX];
    if (name[0] == '/' || at == AT_FDCWD) snprintf(joined, sizeof joined, "%s", name);
    else snprintf(joined, sizeof joined, "/proc/self/fd/%d/%s", at, name);
    char *slash = strrchr(joined, '/');
    const char *last = slash ? slash + 1 : joined;
    if (slash) *slash = 0;
    if (!realpath(!slash ? "." : *joined ? joined : "/", folder)) return false;
    return snprintf(path, PATH, "%s/%s", strcmp(folder, "/") ? folder : "", last) < PATH;
}

/* ---- files ---- */

static int side_open(const File *file, const char *suffix) {
    char path[PATH + 64];
    snprintf(path, sizeof path, "%s/%lx-%lx.%s", side, (long)file->dev, (long)file->ino, suffix);
    int fd = REAL(open)(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) die(path);
    return fd;
}

static File *file_of(uint64_t dev, uint64_t ino, int fd, const char *path) {
    pthread_mutex_lock(&table);
    File **bucket = &by_inode[ino % FILES], *file = *bucket;
    while (file && !(file->dev == dev && file->ino == ino && !file->head->dead)) file = file->next;
    if (!file) {
        char name[128];
        bool fresh;
        file = calloc(1, sizeof *file);
        file->dev = dev, file->ino = ino;
        snprintf(name, sizeof name, "%lx-%lx.head", (long)dev, (long)ino);
        int lock = gate();
        file->head = shared(name, sizeof(Head), &fresh);
        if (fresh) {
            init_lock(&file->head->lock);
            snprintf(file->head->path, PATH, "%s", path);
            file->head->dev = dev, file->head->ino = ino;
            memcpy(file->head->magic, "ROLLFIL1", 8);
        }
        file->undo = side_open(file, "undo");
        REAL(close)(lock);
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        file->read = REAL(open)(name, O_RDONLY | O_CLOEXEC, 0);
        file->map = -1;
        file->next = *bucket;
        *bucket = file;
    }
    pthread_mutex_unlock(&table);
    return file;
}

static void forget(int fd) {
    if (fd >= 0 && fd < FDS) by_fd[fd] = NULL;
}

/* Finds the file behind a descriptor and its present size; NULL where it is none of ours. */
static File *lookup(int fd, struct stat *status) {
    if (!on() || fd < 0 || fd >= FDS) return NULL;
    int kept = errno;
    File *file = by_fd[fd];
    if (file == UNTRACKED) return NULL;
    if (fstat(fd, status)) goto none;
    if (file && file->ino == status->st_ino && file->dev == status->st_dev && !file->head->dead) goto done;
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = S_ISREG(status->st_mode) ? readlink(name, path, sizeof path - 1) : -1;
    if (length > 0) path[length] = 0;
    int flags = fcntl(fd, F_GETFL);
    if (length <= 0 || !wanted(path) || (flags & O_ACCMODE) == O_RDONLY) {
        by_fd[fd] = UNTRACKED;
        goto none;
    }
    synchronous[fd] = (flags & (O_SYNC | O_DSYNC)) != 0;
    by_fd[fd] = file = file_of(status->st_dev, status->st_ino, fd, path);
done:
    errno = kept;
    return file;
none:
    errno = kept;
    return NULL;
}

/* Journals what [offset, offset + length) and the size were. The file's lock is held. */
static void remember(File *file, uint64_t offset, uint64_t length, uint64_t size) {
    uint64_t old = offset < size ? (size - offset < length ? size - offset : length) : 0;
    Undo undo = {offset, old, size};
    uint64_t at = file->head->end - file->head->base;
    if (REAL(pwrite)(file->undo, &undo, sizeof undo, (off_t)at) != sizeof undo) die("undo");
    at += sizeof undo;
    char buffer[1 << 16] __attribute__((aligned(4096)));
    for (uint64_t done = 0; done < old;) {
        size_t part = old - done < sizeof buffer ? old - done : sizeof buffer;
        ssize_t got = pread(file->read, buffer, part, (off_t)(offset + done));
        if (got <= 0 || REAL(pwrite)(file->undo, buffer, got, (off_t)(at + done)) != got) die("pre-image");
        done += got;
    }
    file->head->end += sizeof undo + old;
}

static void clear(File *file, uint64_t through) {
    const char *slash = strrchr(file->head->path, '/');
    if (*lies && slash && !strncmp(slash + 1, lies, strlen(lies))) return;
    acquire(&file->head->lock);
    if (file->head->cleared < through) file->head->cleared = through;
    if (file->head->cleared == file->head->end && file->head->base < file->head->end) {
        file->head->base = file->head->end; /* nothing is left: begin the file anew */
        if (REAL(ftruncate)(file->undo, 0)) die("undo");
    }
    pthread_mutex_unlock(&file->head->lock);
}

static int flags_synchronous(int fd) { return fd >= 0 && fd < FDS && synchronous[fd]; }

/* ---- mapped pages ---- */

static void copy_pages(File *file, const char *pages, uint64_t offset, size_t length) {
    struct stat status; /* pages behind the end of the file cannot be touched */
    if (fstat(file->read, &status)) die("map");
    uint64_t end = ((uint64_t)status.st_size + PAGE - 1) / PAGE * PAGE;
    if (offset >= end || !length) return;
    if (length > end - offset) length = end - offset;
    char *kept = REAL(mmap)(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file->map, (off_t)offset);
    if (kept == MAP_FAILED) die("map");
    for (size_t at = 0; at < length; at += PAGE)
        if (memcmp(kept + at, pages + at, PAGE)) memcpy(kept + at, pages + at, PAGE);
    REAL(munmap)(kept, length);
}

/* Takes a snapshot of what the file holds in the mapped range, through a mapping of our own. */
static void snapshot(File *file) {
    acquire(&file->head->lock);
    uint64_t begin = file->head->map_begin, end = file->head->map_end;
    if (end > begin) {
        if (file->map < 0) file->map = side_open(file, "map");
        void *pages = REAL(mmap)(NULL, end - begin, PROT_READ, MAP_SHARED, file->read, (off_t)begin);
        if (pages == MAP_FAILED) die("snapshot");
        copy_pages(file, pages, begin, end - begin);
        REAL(munmap)(pages, end - begin);
    }
    pthread_mutex_unlock(&file->head->lock);
}

static void note_map(File *file, char *address, size_t length, uint64_t offset) {
    length = (length + PAGE - 1) / PAGE * PAGE;
    acquire(&file->head->lock);
    if (file->map < 0) file->map = side_open(file, "map");
    uint64_t begin = file->head->map_begin, end = file->head->map_end;
    struct stat status;
    if (fstat(file->map, &status)) die("map");
    off_t last = (off_t)(offset + length);
    if (status.st_size < last && REAL(ftruncate)(file->map, last)) die("map");
    if (begin == end) begin = end = offset;
    /* Pages outside the range that is already kept are durable as they are now; others keep their past. */
    uint64_t before = begin < (uint64_t)last ? begin : (uint64_t)last;
    if (offset < begin) copy_pages(file, address, offset, before - offset);
    if (offset + length > end) {
        uint64_t from = end > offset ? end : offset;
        copy_pages(file, address + (from - offset), from, offset + length - from);
    }
    file->head->map_begin = offset < begin ? offset : begin;
    file->head->map_end = offset + length > end ? offset + length : end;
    pthread_mutex_unlock(&file->head->lock);
    pthread_mutex_lock(&table);
    for (int i = 0; i < MAPS; i++)
        if (!maps[i].file) {
            maps[i] = (Map){address, length, offset, file};
            if (maps_used <= i) maps_used = i + 1;
            pthread_mutex_unlock(&table);
            return;
        }
    die("too many mappings");
}

/* ---- directories ---- */

static uint32_t bury(const char *path) {
    uint32_t number = (uint32_t)++dirs->graves;
    char grave[PATH + 64];
    snprintf(grave, sizeof grave, "%s/graves/%u", side, number);
    if (link(path, grave)) return 0;
    return number;
}

static DirOp *note_change(uint32_t kind, const char *from, const char *to, uint32_t grave,
                          const struct stat *status) {
    acquire(&dirs->lock);
    if (!dirs->pending) dirs->count = 0;
    if (dirs->count == DIR_OPS) die("too many unsynced directory changes");
    DirOp *op = &dirs->ops[dirs->count];
    op->grave = grave, op->dev = status->st_dev, op->ino = status->st_ino;
    snprintf(op->from, PATH, "%s", from);
    snprintf(op->to, PATH, "%s", to);
    op->kind = kind;
    dirs->pending++;
    dirs->count++;
    pthread_mutex_unlock(&dirs->lock);
    return op;
}

static void settle(DirOp *op) { /* the directories' lock is held */
    if (!op->kind) return;
    char path[PATH + 64];
    struct stat status;
    if (op->grave) {
        snprintf(path, sizeof path, "%s/graves/%u", side, op->grave);
        if (!stat(path, &status) && status.st_nlink == 1) { /* unreachable now: its number may return */
            char name[PATH + 64];
            snprintf(name, sizeof name, "%s/%lx-%lx.head", side, (long)status.st_dev, (long)status.st_ino);
            int fd = REAL(open)(name, O_RDWR | O_CLOEXEC, 0);
            if (fd >= 0) {
                Head *head = REAL(mmap)(NULL, sizeof(Head), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
                if (head != MAP_FAILED) {
                    head->dead = 1;
                    REAL(munmap)(head, sizeof(Head));
                }
                REAL(close)(fd);
                REAL(unlink)(name);
                snprintf(name + strlen(name) - 4, 5, "undo");
                REAL(unlink)(name);
                snprintf(name + strlen(name) - 4, 5, "map");
                REAL(unlink)(name);
            }
        }
        REAL(unlink)(path);
    }
    op->kind = 0;
    dirs->pending--;
}

static bool within(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return !strncmp(path, folder, length) && path[length] == '/' && !strchr(path + length + 1, '/');
}

static void settle_entry(const struct stat *status) { /* a synced file keeps the name that it has now */
    if (!dirs->pending) return;
    acquire(&dirs->lock);
    for (uint64_t i = 0; i < dirs->count; i++) {
        DirOp *op = &dirs->ops[i];
        bool named = op->kind == 'c' || op->kind == 'r';
        if (named && op->ino == status->st_ino && op->dev == status->st_dev) settle(op);
    }
    pthread_mutex_unlock(&dirs->lock);
}

static void settle_folder(const char *folder) {
    acquire(&dirs->lock);
    for (uint64_t i = 0; i < dirs->count; i++) {
        DirOp *op = &dirs->ops[i];
        if (op->kind && (within(op->from, folder) || within(op->to, folder))) settle(op);
    }
    pthread_mutex_unlock(&dirs->lock);
}

/* ---- what is interposed ---- */

static int opened(int at, const char *name, int flags, mode_t mode, bool plain) {
    int entry = errno;
    bool changes = on() && (flags & (O_CREAT | O_TRUNC)) && !(flags & O_DIRECTORY), fresh = false;
    char path[PATH];
    struct stat status;
    if (changes) {
        changes = absolute(at, name, path) && wanted(path);
        fresh = changes && fstatat(at, name, &status, 0) != 0;
    }
    errno = entry;
    int asked = changes && !fresh ? flags & ~O_TRUNC : flags;
    int fd = plain ? REAL(open)(name, asked, mode) : REAL(openat)(at, name, asked, mode);
    forget(fd);
    if (fd < 0 || !changes) return fd;
    if (fresh && (flags & O_CREAT) && !fstat(fd, &status)) {
        note_change('c', "", path, 0, &status);
        file_of(status.st_dev, status.st_ino, fd, path);
    }
    if (!fresh && (flags & O_TRUNC) && ftruncate(fd, 0)) {
        REAL(close)(fd);
        return -1;
    }
    errno = entry;
    return fd;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }
int open(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode, true); }
int openat(int at, const char *name, int flags, ...) {
    MODE(flags)
    return opened(at, name, flags, mode, false);
}
int open64(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode, true); }
int openat64(int at, const char *name, int flags, ...) {
    MODE(flags)
    return opened(at, name, flags, mode, false);
}
int __open_2(const char *name, int flags) { return opened(AT_FDCWD, name, flags, 0, true); }
int __open64_2(const char *name, int flags) { return opened(AT_FDCWD, name, flags, 0, true); }
int __openat_2(int at, const char *name, int flags) { return opened(at, name, flags, 0, false); }
int __openat64_2(int at, const char *name, int flags) { return opened(at, name, flags, 0, false); }
int creat(const char *name, mode_t mode) {
    return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode, true);
}
int creat64(const char *name, mode_t mode) { return creat(name, mode); }
FILE *fopen(const char *name, const char *mode) {
    FILE *stream = REAL(fopen)(name, mode);
    if (stream) forget(fileno(stream));
    return stream;
}
FILE *fopen64(const char *name, const char *mode) { return fopen(name, mode); }
int close(int fd) { forget(fd); return REAL(close)(fd); }
int dup2(int from, int to) { forget(to); return REAL(dup2)(from, to); }
int dup3(int from, int to, int flags) { forget(to); return REAL(dup3)(from, to, flags); }

static ssize_t written(int fd, const struct iovec *parts, int count, off_t offset, bool placed) {
    struct stat status;
    int entry = errno;
    File *file = lookup(fd, &status);
    if (!file) return placed ? REAL(pwritev)(fd, parts, count, offset) : REAL(writev)(fd, parts, count);
    acquire(&file->head->lock);
    fstat(fd, &status);
    uint64_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    off_t at = placed ? offset : lseek(fd, 0, SEEK_CUR);
    if (fcntl(fd, F_GETFL) & O_APPEND) at = status.st_size;
    remember(file, (uint64_t)at, length, (uint64_t)status.st_size);
    errno = entry;
    ssize_t result = placed ? REAL(pwritev)(fd, parts, count, offset) : REAL(writev)(fd, parts, count);
    int kept = errno;
    uint64_t through = file->head->end;
    pthread_mutex_unlock(&file->head->lock);
    if (result >= 0 && flags_synchronous(fd)) clear(file, through);
    errno = kept;
    return result;
}
static bool ours(int fd) { struct stat status; return lookup(fd, &status) != NULL; }
#define ONE(data, size) struct iovec one = {(void *)(data), size}
ssize_t write(int fd, const void *data, size_t size) {
    if (!ours(fd)) return REAL(write)(fd, data, size);
    ONE(data, size);
    return written(fd, &one, 1, 0, false);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    if (!ours(fd)) return REAL(pwrite)(fd, data, size, offset);
    ONE(data, size);
    return written(fd, &one, 1, offset, true);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    return pwrite(fd, data, size, offset);
}
ssize_t writev(int fd, const struct iovec *parts, int count) { return written(fd, parts, count, 0, false); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    return written(fd, parts, count, at, true);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
    return written(fd, parts, count, at, true);
}

/* Truncating loses what is behind; growing must be undone too. */
static void resized(File *file, int fd, uint64_t from, uint64_t upto) {
    struct stat status;
    fstat(fd, &status);
    uint64_t end = upto < (uint64_t)status.st_size ? upto : (uint64_t)status.st_size;
    remember(file, from, end > from ? end - from : 0, (uint64_t)status.st_size);
}
int ftruncate(int fd, off_t length) {
    int entry = errno;
    struct stat status;
    File *file = lookup(fd, &status);
    if (!file) return REAL(ftruncate)(fd, length);
    acquire(&file->head->lock);
    resized(file, fd, (uint64_t)length, UINT64_MAX);
    errno = entry;
    int result = REAL(ftruncate)(fd, length), kept = errno;
    pthread_mutex_unlock(&file->head->lock);
    errno = kept;
    return result;
}
int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }
int fallocate(int fd, int mode, off_t offset, off_t length) {
    int entry = errno;
    struct stat status;
    File *file = lookup(fd, &status);
    if (!file) return REAL(fallocate)(fd, mode, offset, length);
    acquire(&file->head->lock);
    resized(file, fd, (uint64_t)offset, mode & ~FALLOC_FL_KEEP_SIZE ? (uint64_t)(offset + length) : 0);
    errno = entry;
    int result = REAL(fallocate)(fd, mode, offset, length), kept = errno;
    pthread_mutex_unlock(&file->head->lock);
    errno = kept;
    return result;
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    return fallocate(fd, mode, offset, length);
}
int posix_fallocate(int fd, off_t offset, off_t length) {
    int entry = errno;
    struct stat status;
    File *file = lookup(fd, &status);
    if (!file) return REAL(posix_fallocate)(fd, offset, length);
    acquire(&file->head->lock);
    resized(file, fd, 0, 0);
    errno = entry;
    int result = REAL(posix_fallocate)(fd, offset, length), kept = errno;
    pthread_mutex_unlock(&file->head->lock);
    errno = kept;
    return result;
}
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return posix_fallocate(fd, offset, length); }

static int synced(int fd, int (*sync)(int)) {
    int entry = errno;
    struct stat status;
    char name[64], path[PATH_MAX];
    File *file = lookup(fd, &status);
    if (!file && on() && !fstat(fd, &status)) { /* a directory, or a file opened for reading only */
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(name, path, sizeof path - 1);
        if (length > 0) path[length] = 0;
        if (length > 0 && S_ISDIR(status.st_mode)) {
            errno = entry;
            int result = sync(fd), kept = errno;
            if (!result) settle_folder(path);
            errno = kept;
            return result;
        }
        if (length > 0 && S_ISREG(status.st_mode) && wanted(path))
            file = file_of(status.st_dev, status.st_ino, fd, path);
    }
    errno = entry;
    if (!file) return sync(fd);
    acquire(&file->head->lock);
    uint64_t through = file->head->end;
    bool mapped = file->head->map_end > file->head->map_begin;
    pthread_mutex_unlock(&file->head->lock);
    errno = entry;
    if (sync(fd)) return -1;
    if (mapped) snapshot(file);
    clear(file, through);
    settle_entry(&status);
    errno = entry; /* some callers take a changed errno for a failure, whatever the result says */
    return 0;
}
int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

void *mmap(void *hint, size_t length, int protection, int flags, int fd, off_t offset) {
    int entry = errno;
    struct stat status;
    bool shared_file = (flags & MAP_TYPE) != MAP_PRIVATE && !(flags & MAP_ANONYMOUS);
    bool candidate = (protection & PROT_WRITE) && shared_file;
    File *file = candidate ? lookup(fd, &status) : NULL;
    errno = entry;
    void *address = REAL(mmap)(hint, length, protection, flags, fd, offset);
    if (!file || address == MAP_FAILED) return address;
    note_map(file, address, length, (uint64_t)offset);
    errno = entry;
    return address;
}
void *mmap64(void *hint, size_t length, int protection, int flags, int fd, off64_t offset) {
    return mmap(hint, length, protection, flags, fd, offset);
}
int munmap(void *address, size_t length) {
    if (maps_used) {
        pthread_mutex_lock(&table);
        for (int i = 0; i < maps_used; i++)
            if (maps[i].address >= (char *)address && maps[i].address < (char *)address + length)
                maps[i].file = NULL;
        pthread_mutex_unlock(&table);
    }
    return REAL(munmap)(address, length);
}
int msync(void *address, size_t length, int flags) {
    int entry = errno;
    Map found = {0};
    char *first = address;
    pthread_mutex_lock(&table);
    for (int i = 0; i < maps_used; i++)
        if (maps[i].file && first >= maps[i].address && first < maps[i].address + maps[i].length)
            found = maps[i];
    pthread_mutex_unlock(&table);
    if (!found.file || !(flags & MS_SYNC)) return REAL(msync)(address, length, flags);
    size_t skip = (size_t)(first - found.address), rest = found.length - skip;
    length = (length + PAGE - 1) / PAGE * PAGE;
    struct stat status;
    acquire(&found.file->head->lock);
    uint64_t through = found.file->head->end;
    copy_pages(found.file, first, found.offset + skip, length < rest ? length : rest);
    pthread_mutex_unlock(&found.file->head->lock);
    errno = entry;
    int result = REAL(msync)(address, length, flags), kept = errno;
    if (!result) {
        clear(found.file, through);
        if (!fstat(found.file->read, &status)) settle_entry(&status);
    }
    errno = kept;
    return result;
}

static int moved(int from_at, const char *from, int to_at, const char *to, unsigned flags, bool plain) {
    char old[PATH], new[PATH];
    int entry = errno;
    struct stat status, there;
    bool known = on() && absolute(from_at, from, old) && absolute(to_at, to, new) && wanted(new) &&
                 !fstatat(from_at, from, &status, AT_SYMLINK_NOFOLLOW);
    DirOp *op = NULL;
    if (known) {
        bool replaces = !fstatat(to_at, to, &there, AT_SYMLINK_NOFOLLOW) && S_ISREG(there.st_mode);
        uint32_t grave = replaces ? bury(new) : 0;
        op = note_change('r', old, new, grave, &status);
    }
    errno = entry;
    int result = plain ? REAL(rename)(from, to) : REAL(renameat2)(from_at, from, to_at, to, flags);
    int kept = errno;
    if (result && op) {
        acquire(&dirs->lock);
        settle(op);
        pthread_mutex_unlock(&dirs->lock);
    }
    errno = kept;
    return result;
}
int rename(const char *from, const char *to) { return moved(AT_FDCWD, from, AT_FDCWD, to, 0, true); }
int renameat(int from_at, const char *from, int to_at, const char *to) {
    return moved(from_at, from, to_at, to, 0, false);
}
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return moved(from_at, from, to_at, to, flags, false);
}

static DirOp *unlinking(int at, const char *name) {
    char path[PATH];
    struct stat status;
    if (!on() || !absolute(at, name, path) || !wanted(path)) return NULL;
    if (fstatat(at, name, &status, AT_SYMLINK_NOFOLLOW) || !S_ISREG(status.st_mode)) return NULL;
    uint32_t grave = bury(path);
    return grave ? note_change('u', path, "", grave, &status) : NULL;
}
static int unlinked(int result, DirOp *op) {
    int after = errno;
    if (result && op) {
        acquire(&dirs->lock);
        settle(op);
        pthread_mutex_unlock(&dirs->lock);
    }
    errno = after;
    return result;
}
int unlink(const char *name) {
    int kept = errno;
    DirOp *op = unlinking(AT_FDCWD, name);
    errno = kept;
    return unlinked(REAL(unlink)(name), op);
}
int unlinkat(int at, const char *name, int flags) {
    int kept = errno;
    DirOp *op = flags & AT_REMOVEDIR ? NULL : unlinking(at, name);
    errno = kept;
    return unlinked(REAL(unlinkat)(at, name, flags), op);
}
int remove(const char *name) {
    int kept = errno;
    DirOp *op = unlinking(AT_FDCWD, name);
    errno = kept;
    return unlinked(REAL(remove)(name), op);
}
