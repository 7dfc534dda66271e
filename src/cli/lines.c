#include "cli/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/text.h"

#define WIDTH_MIN 19u /* columns for "owner/group size", as GNU tar begins */

static char type_letter(uint8_t type)
{
    static const char letters[] = {
        [ITEM_FILE] = '-',     [ITEM_DIR] = 'd',  [ITEM_SYMLINK] = 'l',
        [ITEM_HARDLINK] = 'h', [ITEM_FIFO] = 'p', [ITEM_CHAR] = 'c',
        [ITEM_BLOCK] = 'b',
    };
    return type >= ITEM_FILE && type <= ITEM_BLOCK ? letters[type] : '?';
}

/* "-rwsr-xr-x" */
static void mode_text(char out[11], const struct item *item)
{
    static const char rwx[] = "rwxrwxrwx";
    out[0] = type_letter(item->type);
    for (unsigned i = 0; i < 9; i++)
        out[1 + i] = (item->mode & (0400u >> i)) != 0 ? rwx[i] : '-';
    if ((item->mode & 04000) != 0)
        out[3] = (item->mode & 0100) != 0 ? 's' : 'S';
    if ((item->mode & 02000) != 0)
        out[6] = (item->mode & 0010) != 0 ? 's' : 'S';
    if ((item->mode & 01000) != 0)
        out[9] = (item->mode & 0001) != 0 ? 't' : 'T';
    out[10] = '\0';
}

static int add_name(struct buf *b, const char *name, uint32_t id)
{
    return name != NULL ? text_escape(b, name) : buf_printf(b, "%" PRIu32, id);
}

static int add_raw(const struct lines *l, struct buf *b, const char *s)
{
    return l->nul ? buf_add(b, s, strlen(s)) : text_escape(b, s);
}

/* "user/group  size", as wide as the widest so far. */
static int add_owner(struct lines *l, struct buf *b, const struct item *item)
{
    char size[32];
    size_t start = b->len;
    if (item->type == ITEM_CHAR || item->type == ITEM_BLOCK)
        snprintf(size, sizeof size, "%" PRIu32 ",%" PRIu32, item->dev_major,
                 item->dev_minor);
    else
        snprintf(size, sizeof size, "%" PRIu64, item->size);
    if (add_name(b, item->user, item->uid) != 0 || buf_add(b, "/", 1) != 0 ||
        add_name(b, item->group, item->gid) != 0)
        return -1;
    size_t used = b->len - start + 1 + strlen(size);
    if (l->width < WIDTH_MIN)
        l->width = WIDTH_MIN;
    if (l->width < used)
        l->width = used;
    int room = (int)(l->width - (b->len - start));
    return buf_printf(b, "%*s ", room, size);
}

static int add_time(struct buf *b, int64_t t)
{
    char text[64];
    struct tm tm;
    time_t time = (time_t)t;
    if ((int64_t)time != t || gmtime_r(&time, &tm) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        return buf_printf(b, "%" PRId64 " ", t);
    return buf_printf(b, "%s ", text);
}

static int add_path(const struct lines *l, struct buf *b, const struct item *item)
{
    if (add_raw(l, b, item->path) != 0)
        return -1;
    return item->type == ITEM_DIR ? buf_add(b, "/", 1) : 0;
}

static int add_long(struct lines *l, struct buf *b, const struct item *item)
{
    char mode[11];
    mode_text(mode, item);
    if (buf_printf(b, "%s ", mode) != 0 || add_owner(l, b, item) != 0 ||
        add_time(b, item->mtime) != 0 || add_path(l, b, item) != 0)
        return -1;
    const char *arrow = item->type == ITEM_SYMLINK    ? " -> "
                        : item->type == ITEM_HARDLINK ? " link to "
                                                      : NULL;
    if (arrow != NULL && item->link != NULL &&
        (buf_printf(b, "%s", arrow) != 0 || add_raw(l, b, item->link) != 0))
        return -1;
    if ((item->flags & ITEM_CHANGED) != 0 && buf_printf(b, " [changed]") != 0)
        return -1;
    if ((item->flags & ITEM_INCOMPLETE) != 0 && buf_printf(b, " [incomplete]") != 0)
        return -1;
    return 0;
}

int lines_add(struct lines *l, struct buf *b, const struct item *item)
{
    if ((l->list_long ? add_long(l, b, item) : add_path(l, b, item)) != 0)
        return -1;
    return buf_add(b, l->nul ? "" : "\n", 1);
}
