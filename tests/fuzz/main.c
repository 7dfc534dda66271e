/*
 * Runs a fuzz target over files, without a fuzzer: the inputs that are known.
 *
 *   fuzz_NAME [FILE|DIRECTORY ...]    default: corpus/NAME of the sources and
 * seeds/NAME below the current directory
 */
#ifndef FUZZ_ENGINE

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "util/buf.h"

static unsigned inputs;

static void run_file(const char *path)
{
    struct buf b = {0};
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    for (size_t n = 1; n > 0; b.len += n) {
        FUZZ_CHECK(buf_reserve(&b, 65536) == 0);
        n = fread(b.p + b.len, 1, 65536, f);
    }
    fclose(f);
    /* On the heap, and to the byte: what reads too far is seen. */
    uint8_t *exact = malloc(b.len > 0 ? b.len : 1);
    FUZZ_CHECK(exact != NULL);
    if (b.len > 0)
        memcpy(exact, b.p, b.len);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(exact, b.len);
    free(exact);
    buf_free(&b);
    inputs++;
}

/* What is not there has no inputs. */
static void run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return;
    if (!S_ISDIR(st.st_mode)) {
        run_file(path);
        return;
    }
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char sub[4096];
        snprintf(sub, sizeof sub, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            run_path(sub);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *srcdir = getenv("srcdir");
    const char *name = slash != NULL ? slash + 1 : argv[0];
    char path[4096];
    if (strncmp(name, "fuzz_", 5) == 0)
        name += 5;
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    if (argc == 1) {
        snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".",
                 name);
        run_path(path);
        snprintf(path, sizeof path, "tests/fuzz/seeds/%s", name);
        run_path(path);
    }
    printf("%s: %u inputs\n", name, inputs);
    return inputs > 0 ? 0 : 1;
}

#endif
