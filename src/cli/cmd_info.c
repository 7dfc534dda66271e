#include "cli/cmd_info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/summary.h"
#include "cli/text.h"
#include "job/info.h"

/* Text for a terminal: without what that would obey. */
static void put_lines(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        char *line = strndup(text, n);
        text_put(out, line != NULL ? line : "?");
        free(line);
        if (text[n] == '\n')
            fputc('\n', out);
        text += n + (text[n] == '\n');
    }
}

/* An attached file, byte by byte; `content` ends with a NUL that is not of it. */
static int put_attached(FILE *out, const struct buf *content)
{
    if (isatty(fileno(out)))
        put_lines(out, (const char *)content->p);
    else
        fwrite(content->p, 1, content->len - 1, out);
    return fflush(out) != 0 || ferror(out) ? -1 : 0;
}

int cmd_info_run(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    struct buf content = {0};
    bool use_key = o->passphrase_given || o->attached != NULL;
    if (!use_key)
        passphrase_forget(&o->passphrase);
    int rc = info_run(&r->job, o->archive, use_key, o->attached, &content, err);
    if (rc == 0 && content.len > 0 && put_attached(r->out, &content) != 0)
        rc = err_sys(err, ERR_FAIL, "cannot write to standard output");
    buf_free(&content);
    return rc;
}

void cmd_info_print(const struct run *r)
{
    static const struct summary_row rows[] = {
        {"archive", "archive", SUMMARY_TEXT},
        {"size", "archive_bytes", SUMMARY_BYTES},
        {"format", "version", SUMMARY_NUMBER},
        {"suite", "suite", SUMMARY_NUMBER},
        {"archive id", "archive_id", SUMMARY_TEXT},
        {"key check", "key_check", SUMMARY_TEXT},
        {"chunk", "chunk_bytes", SUMMARY_BYTES},
        {"header", "header", SUMMARY_TEXT},
        {"header copy", "header_copy", SUMMARY_TEXT},
        {"generation", "generation", SUMMARY_NUMBER},
        {"slots", "slots", SUMMARY_NUMBER},
        {"slot 0", "slot.0", SUMMARY_TEXT},
        {"slot 1", "slot.1", SUMMARY_TEXT},
        {"slot 2", "slot.2", SUMMARY_TEXT},
        {"slot 3", "slot.3", SUMMARY_TEXT},
        {"slot 4", "slot.4", SUMMARY_TEXT},
        {"slot 5", "slot.5", SUMMARY_TEXT},
        {"slot 6", "slot.6", SUMMARY_TEXT},
        {"slot 7", "slot.7", SUMMARY_TEXT},
        {"slot 8", "slot.8", SUMMARY_TEXT},
        {"slot 9", "slot.9", SUMMARY_TEXT},
        {"authenticated", "authenticated", SUMMARY_YES},
        {"made by", "tool", SUMMARY_TEXT},
        {"host", "host", SUMMARY_TEXT},
        {"name", "name", SUMMARY_TEXT},
        {"source", "source", SUMMARY_TEXT},
        {"created", "created", SUMMARY_TEXT},
        {"volume", "volume", SUMMARY_TEXT},
        {"servers", "state", SUMMARY_TEXT},
        {"system id", "postgresql_system_id", SUMMARY_TEXT},
        {"finished", "finished", SUMMARY_TEXT},
        {"level", "level", SUMMARY_NUMBER},
        {"entries", "entries", SUMMARY_NUMBER},
        {"files", "files", SUMMARY_NUMBER},
        {"directories", "dirs", SUMMARY_NUMBER},
        {"links", "links", SUMMARY_NUMBER},
        {"others", "others", SUMMARY_NUMBER},
        {"content", "bytes", SUMMARY_BYTES},
        {"without holes", "stored", SUMMARY_BYTES},
        {"to restore", "disk_bytes", SUMMARY_BYTES},
        {"as a tar", "tar_bytes", SUMMARY_BYTES},
        {"records", "records", SUMMARY_NUMBER},
        {"chunks", "chunks", SUMMARY_NUMBER},
        {"carried", "carried", SUMMARY_NUMBER},
    };
    if (r->opts->attached != NULL)
        return;
    summary_table(r, rows, sizeof rows / sizeof rows[0]);
    summary_list(r, "uid_map", "user numbers");
    summary_list(r, "gid_map", "group numbers");
    summary_list(r, "environment", "environment");
    summary_list(r, "needed", "needed files");
    summary_list(r, "attached", "attached");
    if (!r->opts->passphrase_given)
        fputs(
            "(not authenticated; with a passphrase option this also tells when, whence "
            "and how much)\n",
            r->out);
}
