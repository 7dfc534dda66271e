#include "job/fit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pmm/control.h"
#include "pmm/live.h"
#include "pmm/volume.h"
#include "util/path.h"

/* Inodes and bytes beyond the content: the staging directory and the list for the
 * read-back. */
#define SPARE_INODES 16u
#define SPARE_BYTES  (4u << 20)
#define ITEM_BYTES   256u /* of that list, about, for each entry */

/* "" where nobody knows. */
static void image_version(char version[VOLUME_TEXT])
{
    version[0] = '\0';
    FILE *f = fopen(FIT_IMAGE_VERSION, "re");
    if (f == NULL)
        return;
    if (fgets(version, VOLUME_TEXT, f) != NULL)
        version[strcspn(version, " \t\r\n")] = '\0';
    fclose(f);
}

int fit_version(const struct volume_facts *archive, const char *target, bool force,
                struct err *err)
{
    char image[VOLUME_TEXT];
    if (target == NULL) {
        image_version(image);
        target = image;
    }
    if (force || !archive->pmm || volume_version_cmp(archive->version, target) <= 0)
        return 0;
    err_set(err, ERR_REFUSED,
            "the archive is of PMM %s, newer than the PMM %s that is to run on it",
            archive->version, target);
    return err_hint(err,
                    "start an image of PMM %s or later (a newer volume may break an "
                    "older PMM without a sign), or say --force-version",
                    archive->version);
}

void fit_owners(const struct idmap *archive, const struct notice_sink *notices)
{
    struct idmap own;
    idmap_own("", &own);
    bool there = !idmap_is_identity(archive), here = !idmap_is_identity(&own);
    if (strcmp(archive->uid, own.uid) == 0 && strcmp(archive->gid, own.gid) == 0)
        return;
    notice(notices, NOTICE_WARNING, "other-id-map", NULL,
           "the numbers of owners were read %s and written %s: right from container to "
           "container, wrong for the volume of a rootless container that is looked at "
           "from outside; restore to that by podman unshare",
           there ? "inside a user namespace" : "on the host",
           here ? "inside a user namespace" : "on the host");
}

int fit_stopped(struct guardian *guardian, int fd, const char *path, struct err *err)
{
    struct volume_facts v;
    struct live live;
    if (fd < 0)
        return 0;
    if (guardian != NULL
            ? guardian_look(guardian, fd, &live, err) != 0
            : volume_look(fd, &v, err) != 0 || live_look(fd, &v, &live, err) != 0)
        return -1;
    if (live.state != LIVE_RUNNING)
        return 0;
    err_set(err, ERR_REFUSED, "a PMM Server is running on the target (%s): %s",
            live.who, path);
    return err_hint(err, "stop its container first (docker stop -t 300 pmm-server), or "
                         "inside it say --stop-services");
}

int fit_outside(const char *target, const char *path, const char *archive,
                struct err *err)
{
    char *real = strcmp(archive, "-") == 0 ? NULL : realpath(archive, NULL);
    char *goes = NULL;
    if (real == NULL)
        return 0;
    if (asprintf(&goes, "%s%s%s", target, path != NULL ? "/" : "",
                 path != NULL ? path : "") < 0) {
        free(real);
        return err_nomem(err);
    }
    bool inside = path_below(real, goes);
    free(goes);
    free(real);
    if (!inside)
        return 0;
    err_set(err, ERR_REFUSED, "the archive lies in what is to be replaced: %s",
            archive);
    return err_hint(err, "move it out of there first");
}

/* Whether one of them lies in the other, or is it. */
static bool touches(const char *path, const char *store)
{
    return path_below(path, store) || path_below(store, path);
}

static bool in_cluster(const char *path)
{
    char first[VOLUME_TEXT];
    size_t n = strcspn(path, "/");
    if (n >= sizeof first)
        return false;
    memcpy(first, path, n);
    first[n] = '\0';
    return control_cluster_name(first);
}

bool fit_stores(const char *const *paths, size_t n)
{
    static const char *const stores[] = {"victoriametrics", "clickhouse",
                                         "prometheus/data"};
    for (size_t i = 0; i < n; i++) {
        if (in_cluster(paths[i]))
            return true;
        for (size_t k = 0; k < sizeof stores / sizeof *stores; k++)
            if (touches(paths[i], stores[k]))
                return true;
    }
    return false;
}

void fit_seeded(const char *target, struct err *err)
{
    struct volume_facts v;
    struct err ignored = {0};
    if (err->cls != ERR_REFUSED || err->sys != ENOTEMPTY)
        return;
    int fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (volume_look(fd, &v, &ignored) == 0 && v.pmm) {
        err->hint[0] = '\0';
        err_hint(
            err,
            "it holds a PMM volume. Images up to PMM 3.7 fill an empty one when "
            "they are first started; if that is all there is, or it is not needed "
            "any more, --replace puts what is restored in its place, once all of it "
            "has proved good");
    }
    close(fd);
}

int fit_space(const struct place *place, const char *target,
              const struct manifest_totals *t, struct err *err)
{
    uint64_t free_bytes, free_inodes;
    uint64_t bytes = t->disk_bytes + SPARE_BYTES + t->entries * ITEM_BYTES;
    uint64_t inodes = t->entries + SPARE_INODES;
    if (place_space(place, &free_bytes, &free_inodes, err) != 0)
        return -1;
    if (bytes > free_bytes)
        err_set(err, ERR_FAIL,
                "not enough space at %s: this needs %llu MiB, %llu MiB are free",
                target, (unsigned long long)(bytes >> 20),
                (unsigned long long)(free_bytes >> 20));
    else if (inodes > free_inodes)
        err_set(err, ERR_FAIL,
                "not enough inodes at %s: this needs %llu, %llu are free", target,
                (unsigned long long)inodes, (unsigned long long)free_inodes);
    else
        return 0;
    return err_hint(err,
                    "make room, choose another TARGET, or say --ignore-space (with "
                    "--replace the old data stays until the new is proved)");
}
