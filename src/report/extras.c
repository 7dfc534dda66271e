#include "report/extras.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/json.h"
#include "util/buf.h"
#include "util/io.h"

static int reserve(struct extras *x, size_t len, const char *what, struct err *err)
{
    if (len <= EXTRAS_MAX && x->bytes <= EXTRAS_MAX - len) {
        x->bytes += len;
        return 0;
    }
    return err_set(err, ERR_FAIL,
                   "cannot attach %s: files and environment are together more than "
                   "%u KiB",
                   what, EXTRAS_MAX / 1024);
}

int extras_env(struct extras *x, const char *text, struct err *err)
{
    if (reserve(x, strlen(text) + 1, "the environment", err) != 0)
        return -1;
    char **env = realloc(x->env, (x->nenv + 1) * sizeof *env);
    if (env == NULL)
        return err_nomem(err);
    x->env = env;
    env[x->nenv] = strdup(text);
    if (env[x->nenv] == NULL)
        return err_nomem(err);
    x->nenv++;
    return 0;
}

int extras_file(struct extras *x, const char *path, const char *text, bool needed,
                struct err *err)
{
    if (reserve(x, strlen(path) + strlen(text) + 2, path, err) != 0)
        return -1;
    struct extra_file *files = realloc(x->files, (x->nfiles + 1) * sizeof *files);
    if (files == NULL)
        return err_nomem(err);
    x->files = files;
    struct extra_file *f = &files[x->nfiles];
    f->path = strdup(path);
    f->text = strdup(text);
    f->needed = needed;
    x->nfiles++;
    return f->path != NULL && f->text != NULL ? 0 : err_nomem(err);
}

/* At most EXTRAS_MAX + 1 bytes of fd: one more than may be. */
static int read_text(int fd, struct buf *b, struct err *err)
{
    if (buf_reserve(b, EXTRAS_MAX + 2) != 0)
        return err_nomem(err);
    ssize_t n = io_read(fd, b->p, EXTRAS_MAX + 1);
    if (n < 0)
        return -1;
    b->len = (size_t)n;
    b->p[n] = '\0';
    return 0;
}

int extras_read(struct extras *x, const char *path, bool needed, struct err *err)
{
    struct buf b = {0};
    struct stat st;
    int rc = -1;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        err_sys(err, ERR_FAIL, "cannot read the file to attach: %s", path);
    } else if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_FAIL, "cannot attach %s: it is no regular file", path);
    } else if (read_text(fd, &b, err) != 0) {
        err_sys(err, ERR_FAIL, "cannot read the file to attach: %s", path);
    } else if (memchr(b.p, 0, b.len) != NULL) {
        err_set(err, ERR_FAIL, "cannot attach %s: it is no text", path);
        err_hint(err, "base64 makes a text of it");
    } else {
        rc = extras_file(x, path, (const char *)b.p, needed, err);
    }
    buf_free(&b);
    if (fd >= 0)
        close(fd);
    return rc;
}

const struct extra_file *extras_find(const struct extras *x, const char *name)
{
    for (size_t i = 0; i < x->nfiles; i++) {
        const char *path = x->files[i].path, *slash = strrchr(path, '/');
        if (strcmp(path, name) == 0 || (slash != NULL && strcmp(slash + 1, name) == 0))
            return &x->files[i];
    }
    return NULL;
}

void extras_free(struct extras *x)
{
    if (x == NULL)
        return;
    for (size_t i = 0; i < x->nenv; i++)
        free(x->env[i]);
    for (size_t i = 0; i < x->nfiles; i++) {
        free(x->files[i].path);
        free(x->files[i].text);
    }
    free(x->env);
    free(x->files);
    *x = (struct extras){0};
}

/* ---- JSON ---- */

static json_t *variable(const char *text)
{
    json_t *one = json_object();
    if (one != NULL && json_set_bytes(one, "variable", text) == 0)
        return one;
    json_decref(one);
    return NULL;
}

static json_t *file(const struct extra_file *f)
{
    json_t *one = json_object();
    if (one != NULL && json_set_bytes(one, "path", f->path) == 0 &&
        json_set_bytes(one, "text", f->text) == 0 &&
        json_object_set_new(one, "needed", json_boolean(f->needed)) == 0)
        return one;
    json_decref(one);
    return NULL;
}

int extras_encode(const struct extras *x, json_t *obj)
{
    json_t *env = json_array(), *files = json_array();
    int bad = env == NULL || files == NULL;
    for (size_t i = 0; i < x->nenv && !bad; i++)
        bad = json_array_append_new(env, variable(x->env[i])) != 0;
    for (size_t i = 0; i < x->nfiles && !bad; i++)
        bad = json_array_append_new(files, file(&x->files[i])) != 0;
    if (!bad && x->nenv > 0)
        bad = json_object_set(obj, "environment", env) != 0;
    if (!bad && x->nfiles > 0)
        bad = json_object_set(obj, "attached", files) != 0;
    json_decref(env);
    json_decref(files);
    return bad ? -1 : 0;
}

int extras_decode(const json_t *obj, struct extras *x)
{
    const json_t *env = json_object_get(obj, "environment");
    const json_t *files = json_object_get(obj, "attached");
    struct err unused = {0};
    size_t i;
    json_t *one;
    int bad = (env != NULL && !json_is_array(env)) ||
              (files != NULL && !json_is_array(files));
    *x = (struct extras){0};
    json_array_foreach(env, i, one)
    {
        char *text = json_get_bytes(one, "variable");
        bad = bad || text == NULL || extras_env(x, text, &unused) != 0;
        free(text);
    }
    json_array_foreach(files, i, one)
    {
        char *path = json_get_bytes(one, "path"), *text = json_get_bytes(one, "text");
        const json_t *needed = json_object_get(one, "needed");
        bad = bad || path == NULL || text == NULL || !json_is_boolean(needed) ||
              extras_file(x, path, text, json_is_true(needed), &unused) != 0;
        free(path);
        free(text);
    }
    if (bad)
        extras_free(x);
    return bad ? -1 : 0;
}
