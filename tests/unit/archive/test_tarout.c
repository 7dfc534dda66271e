#include "tarworld.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "archive/extents.h"
#include "util/stop.h"

/* ---- positions ---- */

static void test_the_bytes_of_an_entry_are_a_tar_of_their_own(void **state)
{
    (void)state;
    struct entry e[3];
    struct err err = {0};
    struct buf cut = {0};
    static const uint8_t zeros[1024];
    for (int i = 0; i < 3; i++) {
        int fd = make_file(&e[i], "some content", (size_t)(4 + i));
        string(&e[i].item.path, i == 0 ? "f\xc3" : i == 1 ? "odd" : "third");
        if (i == 1) /* by the other writer */
            assert_int_equal(0, entry_add_xattr(&e[i], "user.=", "v", 1, &err));
        put(&e[i], fd);
        close(fd);
    }
    finish();
    assert_int_equal(0, e[0].item.tar_offset);
    for (int i = 0; i < 2; i++)
        assert_int_equal(e[i].item.tar_offset + e[i].item.tar_length,
                         e[i + 1].item.tar_offset);
    assert_int_equal(w.tar.len - 1024, e[2].item.tar_offset + e[2].item.tar_length);
    for (int i = 2; i >= 0; i--)
        buf_add(&cut, w.tar.p + e[i].item.tar_offset, (size_t)e[i].item.tar_length);
    buf_add(&cut, zeros, sizeof zeros);
    struct archive *a = reader(cut.p, cut.len);
    for (int i = 2; i >= 0; i--) {
        struct archive_entry *ae = next(a);
        assert_string_equal(e[i].item.path, archive_entry_pathname(ae));
        expect_content(a, "some content", (size_t)(4 + i));
        entry_clear(&e[i]);
    }
    at_end(a);
    buf_free(&cut);
}

/* ---- files that do not keep their promise ---- */

#define LARGE (3u * 1024 * 1024 + 77)

static uint8_t *large(void)
{
    uint8_t *p = malloc(LARGE);
    assert_non_null(p);
    for (size_t i = 0; i < LARGE; i++)
        p[i] = (uint8_t)(i * 2654435761u >> 13);
    return p;
}

static int shrink(void)
{
    int fd = openat(w.dirfd, "file", O_WRONLY);
    int rc = ftruncate(fd, 2500000);
    close(fd);
    return rc;
}

static int append(void)
{
    int fd = openat(w.dirfd, "file", O_WRONLY | O_APPEND);
    ssize_t n = write(fd, "more", 4);
    close(fd);
    return n == 4 ? 0 : -1;
}

static int touch(void)
{
    const struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1, .tv_nsec = 2}};
    return utimensat(w.dirfd, "file", t, 0);
}

/* Write the large file while `during` happens to it; return what is stored of it. */
static void store_while(int (*during)(void), const char *says, size_t good)
{
    struct entry e;
    uint8_t *content = large();
    int fd = make_file(&e, content, LARGE);
    usleep(20000); /* the clock of file times is coarse */
    w.during = during;
    put(&e, fd);
    close(fd);
    finish();
    assert_int_equal(ITEM_CHANGED, e.item.flags);
    assert_string_equal("file-changed ", w.ids);
    assert_non_null(strstr(w.text, says));
    memset(content + good, 0, LARGE - good);
    struct archive *a = reader(w.tar.p, w.tar.len);
    assert_int_equal(LARGE, archive_entry_size(next(a)));
    expect_content(a, content, LARGE);
    at_end(a);
    free(content);
    entry_clear(&e);
}

static void test_a_shrunk_file_is_padded_and_flagged(void **state)
{
    (void)state;
    store_while(shrink, "shrank", 2500000);
}

static void test_a_grown_file_is_stored_as_promised_and_flagged(void **state)
{
    (void)state;
    store_while(append, "grew", LARGE);
}

static void test_a_touched_file_is_flagged(void **state)
{
    (void)state;
    store_while(touch, "changed", LARGE);
}

static void test_a_change_before_the_read_is_flagged(void **state)
{
    (void)state;
    struct entry e;
    int fd = make_file(&e, "content", 7);
    usleep(20000);
    assert_int_equal(3, pwrite(fd, "CON", 3, 0));
    put(&e, fd);
    close(fd);
    assert_int_equal(ITEM_CHANGED, e.item.flags);
    assert_string_equal("file-changed ", w.ids);
    entry_clear(&e);
}

static void test_a_file_that_was_emptied_is_padded_and_flagged(void **state)
{
    (void)state;
    struct entry e;
    int fd = make_file(&e, "content", 7);
    assert_int_equal(0, ftruncate(fd, 0));
    put(&e, fd);
    close(fd);
    finish();
    assert_int_equal(ITEM_CHANGED, e.item.flags);
    struct archive *a = reader(w.tar.p, w.tar.len);
    next(a);
    expect_content(a, "\0\0\0\0\0\0", 7);
    at_end(a);
    entry_clear(&e);
}

/* Our own memory is a file with holes that give EIO: nothing is mapped at its
 * beginning. */
static void test_what_cannot_be_read_is_zeros_and_told(void **state)
{
    (void)state;
    size_t at = 1024 * 1024, page = 4096, size = 2 * 1024 * 1024;
    char *p = mmap((void *)at, page, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    int fd = open("/proc/self/mem", O_RDONLY);
    if (p == MAP_FAILED || fd < 0) {
        print_message("skipped: low memory or /proc/self/mem is not to be had\n");
        skip();
    }
    uint8_t *expected = calloc(1, size);
    assert_non_null(expected);
    memset(p, 'g', page);
    memset(expected + at, 'g', page);
    struct entry e = make(ITEM_FILE, "file");
    e.item.size = size;
    put(&e, fd);
    close(fd);
    finish();
    munmap(p, page);
    assert_true((e.item.flags & ITEM_INCOMPLETE) != 0);
    assert_non_null(strstr(w.ids, "read-error "));
    struct archive *a = reader(w.tar.p, w.tar.len);
    next(a);
    expect_content(a, expected, size);
    at_end(a);
    free(expected);
    entry_clear(&e);
}

/* ---- sparse files ---- */

static int make_sparse(struct entry *e, off_t size, const off_t *at, size_t n)
{
    struct stat st;
    struct err err = {0};
    int fd = make_file(e, "", 0);
    if (ftruncate(fd, size) != 0) {
        print_message("skipped: no file of that size here\n");
        close(fd);
        skip();
    }
    for (size_t i = 0; i < n; i++)
        assert_int_equal(6, pwrite(fd, "island", 6, at[i]));
    assert_int_equal(0, fstat(fd, &st));
    e->item.size = (uint64_t)size;
    e->item.mtime = st.st_mtim.tv_sec;
    e->item.mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
    assert_int_equal(0, extents_find(fd, e, &err));
    if ((e->item.flags & ITEM_SPARSE) == 0) {
        print_message("skipped: no holes in %s\n", w.dir);
        close(fd);
        skip();
    }
    return fd;
}

/* All of the data runs a reader sees, and nothing else, is inside the extents; and
 * every island is in one. */
static void expect_islands(struct archive *a, const struct entry *e, const off_t *at,
                           size_t n)
{
    const void *p;
    size_t len, found = 0;
    la_int64_t off;
    uint64_t sum = 0;
    int rc;
    while ((rc = archive_read_data_block(a, &p, &len, &off)) == ARCHIVE_OK) {
        sum += len;
        for (size_t i = 0; i < n; i++) {
            if (off <= at[i] && at[i] + 6 <= off + (la_int64_t)len) {
                assert_memory_equal("island", (const char *)p + (at[i] - off), 6);
                found++;
            }
        }
    }
    assert_int_equal(ARCHIVE_EOF, rc);
    assert_int_equal(n, found);
    assert_int_equal(e->item.stored, sum);
}

static void sparse_round_trip(off_t size, const off_t *at, size_t n)
{
    struct entry e;
    int fd = make_sparse(&e, size, at, n);
    put(&e, fd);
    close(fd);
    struct entry after = make(ITEM_DIR, "after");
    put(&after, -1);
    finish();
    assert_string_equal("", w.ids);
    assert_true(w.tar.len < 1024 * 1024);
    struct archive *a = reader(w.tar.p, w.tar.len);
    struct archive_entry *ae = next(a);
    assert_string_equal("file", archive_entry_pathname(ae));
    assert_true((uint64_t)archive_entry_size(ae) == (uint64_t)size);
    expect_islands(a, &e, at, n);
    assert_string_equal("after/", archive_entry_pathname(next(a)));
    at_end(a);
    entry_clear(&e);
    entry_clear(&after);
}

static void test_only_the_data_of_a_sparse_file_is_stored(void **state)
{
    (void)state;
    const off_t at[] = {0, 5000000, 9999994};
    sparse_round_trip(10000000, at, 3);
}

static void test_a_huge_sparse_file_is_quick(void **state)
{
    (void)state;
    const off_t at[] = {1 << 20, (off_t)20 << 30};
    sparse_round_trip(((off_t)1 << 40) + 77, at, 2);
}

static void test_a_file_that_is_all_hole_comes_back(void **state)
{
    (void)state;
    sparse_round_trip(12345678, NULL, 0);
}

static void test_a_hole_at_the_end_comes_back(void **state)
{
    (void)state;
    const off_t at[] = {0};
    sparse_round_trip(12345678, at, 1);
}

static void test_a_full_file_has_no_map(void **state)
{
    (void)state;
    struct entry e;
    struct err err = {0};
    int fd = make_file(&e, "content", 7);
    assert_int_equal(0, extents_find(fd, &e, &err));
    assert_int_equal(0, e.item.flags);
    assert_int_equal(0, e.nextents);
    close(fd);
    entry_clear(&e);
}

/* ---- failures ---- */

static void test_the_error_of_the_callback_is_the_one_reported(void **state)
{
    (void)state;
    uint8_t *content = large();
    for (size_t at = 1; at < LARGE; at += 700001) {
        struct entry e;
        struct err err = {0};
        int fd = make_file(&e, content, LARGE);
        w.fail_at = w.tar.len + at;
        assert_int_equal(-1, tarout_entry(w.t, &e, fd, &err));
        assert_int_equal(ERR_REFUSED, err.cls);
        assert_string_equal("the disk of the test is full", err.text);
        close(fd);
        entry_clear(&e);
        tarout_free(w.t);
        w.fail_at = 0;
        err = (struct err){0};
        assert_int_equal(0, tarout_open(&w.t, take, NULL, &sink, NULL, &err));
    }
    free(content);
}

static void test_the_end_may_fail_too(void **state)
{
    (void)state;
    struct err err = {0};
    uint64_t bytes;
    w.fail_at = 100;
    assert_int_equal(-1, tarout_finish(w.t, &bytes, &err));
    assert_int_equal(ERR_REFUSED, err.cls);
}

static void test_freeing_an_unfinished_tar_writes_nothing(void **state)
{
    (void)state;
    struct entry e = make(ITEM_DIR, "d");
    struct err err = {0};
    put(&e, -1);
    size_t len = w.tar.len;
    tarout_free(w.t);
    assert_int_equal(len, w.tar.len);
    assert_int_equal(0, tarout_open(&w.t, take, NULL, &sink, NULL, &err));
    entry_clear(&e);
}

/* The stop flag stays set: in a child. */
static void test_a_signal_ends_it(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct entry e = make(ITEM_DIR, "d");
        struct err err = {0};
        stop_set(SIGTERM);
        int rc = tarout_entry(w.t, &e, -1, &err);
        _exit(rc == -1 && err.cls == ERR_SIGNAL ? 0 : 1);
    }
    assert_int_equal(pid, waitpid(pid, &status, 0));
    assert_int_equal(0, status);
}

/* ---- another tar ---- */

static void test_gnu_tar_lists_it_without_complaint(void **state)
{
    (void)state;
    struct entry e;
    const off_t at[] = {5000000};
    struct entry root = make(ITEM_DIR, "."), sym = make(ITEM_SYMLINK, "s\xc3\xbc");
    if (system("tar --version 2>/dev/null | grep -q GNU") != 0) {
        print_message("skipped: no GNU tar\n");
        skip();
    }
    string(&sym.item.link, "target");
    put(&root, -1);
    put(&sym, -1);
    int fd = make_sparse(&e, 10000000, at, 1);
    put(&e, fd);
    close(fd);
    finish();
    char cmd[9000];
    snprintf(cmd, sizeof cmd,
             "cd %s && LC_ALL=C tar -tv --warning=no-unknown-keyword > file 2>&1 && "
             "grep -q ' 10000000 .* file$' file && test $(wc -l < file) = 3",
             w.dir);
    FILE *f = popen(cmd, "w");
    assert_non_null(f);
    assert_int_equal(w.tar.len, fwrite(w.tar.p, 1, w.tar.len, f));
    assert_int_equal(0, pclose(f));
    entry_clear(&root);
    entry_clear(&sym);
    entry_clear(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_the_bytes_of_an_entry_are_a_tar_of_their_own),
        T(test_a_shrunk_file_is_padded_and_flagged),
        T(test_a_grown_file_is_stored_as_promised_and_flagged),
        T(test_a_touched_file_is_flagged),
        T(test_a_change_before_the_read_is_flagged),
        T(test_a_file_that_was_emptied_is_padded_and_flagged),
        T(test_what_cannot_be_read_is_zeros_and_told),
        T(test_only_the_data_of_a_sparse_file_is_stored),
        T(test_a_huge_sparse_file_is_quick),
        T(test_a_file_that_is_all_hole_comes_back),
        T(test_a_hole_at_the_end_comes_back),
        T(test_a_full_file_has_no_map),
        T(test_the_error_of_the_callback_is_the_one_reported),
        T(test_the_end_may_fail_too),
        T(test_freeing_an_unfinished_tar_writes_nothing),
        T(test_a_signal_ends_it),
        T(test_gnu_tar_lists_it_without_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
