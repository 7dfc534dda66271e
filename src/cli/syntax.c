#include "cli/syntax.h"

#include <string.h>

#include "cli/values.h"

const struct syntax_command syntax_commands[] = {
    [COMMAND_BACKUP] = {"backup", "[-o ARCHIVE|DIRECTORY/|-] SOURCE",
                        "save the directory SOURCE in an encrypted archive", 1, 1},
    [COMMAND_VERIFY] = {"verify", "ARCHIVE|DIRECTORY|-",
                        "read and check everything, write nothing", 1, 1},
    [COMMAND_LIST] = {"list", "ARCHIVE|DIRECTORY|- [PATH...]",
                      "show what an archive, or a directory of archives, holds", 1, -1},
    [COMMAND_INFO] = {"info", "ARCHIVE",
                      "show what is known without a key; with one, when, whence and "
                      "how much",
                      1, 1},
    [COMMAND_RESTORE] = {"restore", "ARCHIVE|- TARGET [PATH...]",
                         "bring an archive, or PATHs of it, back to TARGET", 2, -1},
    [COMMAND_DIFF] = {"diff", "ARCHIVE|- DIRECTORY",
                      "compare an archive with a directory, byte for byte", 2, 2},
    [COMMAND_REKEY] = {"rekey", "ARCHIVE|DIRECTORY",
                       "change, add or remove a passphrase; heal damaged headers", 1,
                       1},
    [COMMAND_PRUNE] = {"prune", "--keep-... DIRECTORY",
                       "delete archives that are not to be kept", 1, 1},
    [COMMAND_CHECK_CONFIG] = {"check-config", "NAME|FILE",
                              "try all that a backup by this configuration needs", 1,
                              1},
};

enum command syntax_find(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, syntax_commands[i].name) == 0)
            return (enum command)i;
    return COMMAND_NONE;
}

#define BACKUP  (1u << COMMAND_BACKUP)
#define VERIFY  (1u << COMMAND_VERIFY)
#define LIST    (1u << COMMAND_LIST)
#define INFO    (1u << COMMAND_INFO)
#define RESTORE (1u << COMMAND_RESTORE)
#define DIFF    (1u << COMMAND_DIFF)
#define REKEY   (1u << COMMAND_REKEY)
#define PRUNE   (1u << COMMAND_PRUNE)
#define ALL     ((1u << COMMAND_COUNT) - 1)

#define AT(field) offsetof(struct options, field)

/* name, letter, kind, commands, field, set, argument, help. In the order of the help.
 */
const struct syntax_option syntax_options[] = {
    {"output", 'o', SYNTAX_TEXT, BACKUP, AT(output), NULL, "WHERE",
     "the archive to write: a file, a directory (the archive is named by itself), or - "
     "for standard output"},
    {"output", 'o', SYNTAX_TEXT, REKEY, AT(output), NULL, "FILE|-",
     "leave ARCHIVE as it is and write a copy with the new header"},
    {"name", 0, SYNTAX_VALUE, BACKUP, 0, values_archive_name, "NAME",
     "name in front of the time in the file name (pmm-data)"},
    {"name", 0, SYNTAX_VALUE, PRUNE, 0, values_archive_name, "NAME",
     "of which name the archives are (pmm-data)"},
    {"name", 0, SYNTAX_VALUE, VERIFY, 0, values_archive_name, "NAME",
     "the name in --metrics-file (pmm-data)"},
    {"verify", 0, SYNTAX_FLAG, BACKUP, AT(verify), NULL, NULL,
     "read the archive back from the disk and check it before it gets its name; the "
     "default with -o DIRECTORY/"},
    {"no-verify", 0, SYNTAX_FLAG, BACKUP, AT(no_verify), NULL, NULL, "do not"},
    {"keep-last", 0, SYNTAX_VALUE, BACKUP | PRUNE, 0, values_keep, "N",
     "keep the N newest archives"},
    {"keep-hourly", 0, SYNTAX_VALUE, BACKUP | PRUNE, 0, values_keep, "N",
     "... and the newest one of each of N hours"},
    {"keep-daily", 0, SYNTAX_VALUE, BACKUP | PRUNE, 0, values_keep, "N", "... days"},
    {"keep-weekly", 0, SYNTAX_VALUE, BACKUP | PRUNE, 0, values_keep, "N", "... weeks"},
    {"keep-monthly", 0, SYNTAX_VALUE, BACKUP | PRUNE, 0, values_keep, "N",
     "... months"},
    {"keep-yearly", 0, SYNTAX_VALUE, BACKUP | PRUNE, 0, values_keep, "N", "... years"},
    {"keep-within", 0, SYNTAX_VALUE, BACKUP | PRUNE, 0, values_keep_within, "SPAN",
     "keep all of the last SPAN (2y5m7d3h) before the newest"},
    {"max-deletes", 0, SYNTAX_VALUE, BACKUP | PRUNE, 0, values_max_deletes, "N",
     "delete at most N archives in a run, the oldest first (10)"},
    {"dry-run", 'n', SYNTAX_FLAG, PRUNE, AT(dry_run), NULL, NULL,
     "delete nothing, only tell what would be deleted"},
    {"sample", 0, SYNTAX_VALUE, VERIFY, 0, values_sample, "SHARE/OF",
     "of a directory only this share (1/7), those that were not proved for the longest "
     "time"},
    {"lock-wait", 0, SYNTAX_VALUE, BACKUP | PRUNE | VERIFY | REKEY, 0, values_lock_wait,
     "SECONDS", "wait so long for another run in the directory of archives (0)"},
    {"require-mount", 0, SYNTAX_FLAG, BACKUP | PRUNE, AT(require_mount), NULL, NULL,
     "refuse if nothing is mounted on the directory of archives"},
    {"metrics-file", 0, SYNTAX_VALUE, BACKUP | PRUNE | VERIFY, 0, values_metrics_file,
     "FILE.prom", "tell how it went, for node_exporter's textfile collector"},
    {"force", 0, SYNTAX_FLAG, BACKUP | REKEY, AT(force), NULL, NULL,
     "overwrite the file that --output names"},
    {"dry-run", 'n', SYNTAX_FLAG, BACKUP, AT(dry_run), NULL, NULL,
     "only walk and count; needs no passphrase and no --output"},
    {"exclude", 0, SYNTAX_VALUE, BACKUP | DIFF, 0, values_exclude, "GLOB",
     "leave out what matches; can be repeated"},
    {"exclude-from", 0, SYNTAX_VALUE, BACKUP | DIFF, 0, values_exclude_from, "FILE",
     "the same for each line of FILE"},
    {"one-file-system", 'x', SYNTAX_FLAG, BACKUP, AT(one_file_system), NULL, NULL,
     "do not descend into other mounted file systems"},
    {"level", 0, SYNTAX_VALUE, BACKUP, 0, values_level, "auto|1..19",
     "compression, more is smaller and slower (auto: 3)"},
    {"no-default-excludes", 0, SYNTAX_FLAG, DIFF, AT(no_default_excludes), NULL, NULL,
     "tell also of what a backup leaves out by default"},
    {"no-default-excludes", 0, SYNTAX_FLAG, BACKUP, AT(no_default_excludes), NULL, NULL,
     "leave nothing out unasked; no effect on what is no PMM volume"},
    {"show-excludes", 0, SYNTAX_FLAG, BACKUP, AT(show_excludes), NULL, NULL,
     "only show what is left out of SOURCE by default, and why"},
    {"stop-services", 0, SYNTAX_FLAG, BACKUP, AT(stop_services), NULL, NULL,
     "inside a PMM Server's container: stop what writes to /srv, and start it again as "
     "soon as SOURCE has been read"},
    {"stop-services", 0, SYNTAX_FLAG, RESTORE, AT(stop_services), NULL, NULL,
     "inside a PMM Server's container: stop everything; it stays stopped until the "
     "container is restarted, or starts again if the restore fails"},
    {"before", 0, SYNTAX_TEXT, BACKUP, AT(before), NULL, "CMD",
     "run CMD before SOURCE is read (docker stop -t 300 pmm-server)"},
    {"after", 0, SYNTAX_TEXT, BACKUP, AT(after), NULL, "CMD",
     "run CMD as soon as SOURCE has been read, and on every other way out"},
    {"stall-timeout", 0, SYNTAX_VALUE, BACKUP, 0, values_stall, "SECONDS",
     "give up when standard output takes no byte for so long (600 with "
     "--stop-services, --before or --after; else never)"},
    {"allow-live", 0, SYNTAX_FLAG, BACKUP, AT(allow_live), NULL, NULL,
     "back up a running server: the archive is marked, and may not be usable"},
    {"add", 0, SYNTAX_VALUE, BACKUP, 0, values_add, "FILE",
     "take along a small file from outside SOURCE that a restored server needs, such "
     "as an encryption key; can be repeated"},
    {"attach", 0, SYNTAX_VALUE, BACKUP, 0, values_add, "FILE",
     "take along a small file for people, such as the output of docker inspect; can be "
     "repeated"},
    {"env-values", 0, SYNTAX_FLAG, BACKUP, AT(env_values), NULL, NULL,
     "record not only the names of the container's PMM_*, GF_*, VM_* variables, but "
     "their values, passwords included"},
    {"kdf", 0, SYNTAX_VALUE, BACKUP | REKEY, 0, values_kdf, "LEVEL",
     "cost of trying a passphrase: interactive (64 MiB), moderate (256 MiB, the "
     "default), sensitive (1 GiB)"},
    {"new-passphrase", 0, SYNTAX_FLAG, BACKUP, AT(new_passphrase), NULL, NULL,
     "it is meant to differ from that of the earlier archives of this name"},

    {"replace", 0, SYNTAX_FLAG, RESTORE, AT(replace), NULL, NULL,
     "TARGET has content: put the archive's in its place once that has proved good"},
    {"salvage", 0, SYNTAX_FLAG, RESTORE, AT(salvage), NULL, NULL,
     "ARCHIVE is damaged: save what is whole in it to TARGET, a new directory, and "
     "name "
     "what is lost"},
    {"owner", 0, SYNTAX_VALUE, RESTORE, 0, values_owner, "WHO",
     "numeric (ids as stored, the default), names (by name where this system knows "
     "it), UID:GID, caller (whoever runs this)"},
    {"no-owner", 0, SYNTAX_FLAG, RESTORE, AT(no_owner), NULL, NULL, "= --owner caller"},
    {"no-owner", 0, SYNTAX_FLAG, DIFF, AT(no_owner), NULL, NULL,
     "do not compare owners"},
    {"no-read-back", 0, SYNTAX_FLAG, RESTORE, AT(no_read_back), NULL, NULL,
     "do not prove the files by reading them from the disk again"},
    {"ignore-space", 0, SYNTAX_FLAG, RESTORE, AT(ignore_space), NULL, NULL,
     "begin even if the free space looks too small"},
    {"target-version", 0, SYNTAX_TEXT, RESTORE, AT(target_version), NULL, "VERSION",
     "of the PMM image that will run on TARGET (inside its container it is found)"},
    {"force-version", 0, SYNTAX_FLAG, RESTORE, AT(force_version), NULL, NULL,
     "restore although the archive's PMM is newer than that"},
    {"dry-run", 'n', SYNTAX_FLAG, RESTORE, AT(dry_run), NULL, NULL,
     "check the archive (with PATH: what holds it), write nothing; TARGET is not "
     "looked at"},

    {"attached", 0, SYNTAX_TEXT, INFO, AT(attached), NULL, "FILE",
     "print a file that --add or --attach took along"},

    {"long", 'l', SYNTAX_FLAG, LIST, AT(list_long), NULL, NULL,
     "mode, owner, size and time too"},
    {"null", '0', SYNTAX_FLAG, LIST, AT(nul), NULL, NULL,
     "end each path with a NUL instead of a newline, escape nothing"},

    {"add", 0, SYNTAX_FLAG, REKEY, AT(add), NULL, NULL,
     "add the new passphrase, keep the others"},
    {"remove", 0, SYNTAX_FLAG, REKEY, AT(remove), NULL, NULL,
     "remove the passphrase given; never the last one"},
    {"heal", 0, SYNTAX_FLAG, REKEY, AT(heal), NULL, NULL, "only repair the headers"},
    {"new-passphrase-file", 0, SYNTAX_VALUE, REKEY, 0, values_file, "FILE",
     "read the new passphrase from FILE"},
    {"new-passphrase-fd", 0, SYNTAX_VALUE, REKEY, 0, values_fd, "N",
     "... from file descriptor N"},
    {"new-passphrase-command", 0, SYNTAX_VALUE, REKEY, 0, values_command, "CMD",
     "... from what CMD prints"},
    {"new-passphrase-file-insecure", 0, SYNTAX_FLAG, REKEY,
     AT(new_source.file_insecure), NULL, NULL,
     "accept a --new-passphrase-file that others can read"},
    {"allow-weak-passphrase", 0, SYNTAX_FLAG, BACKUP | REKEY, AT(allow_weak), NULL,
     NULL, "take a new passphrase although it is easy to guess"},

    {"passphrase-file", 0, SYNTAX_VALUE, ALL, 0, values_file, "FILE",
     "read the passphrase from FILE"},
    {"passphrase-fd", 0, SYNTAX_VALUE, ALL, 0, values_fd, "N",
     "... from file descriptor N"},
    {"passphrase-command", 0, SYNTAX_VALUE, ALL, 0, values_command, "CMD",
     "... from what CMD prints"},
    {"passphrase-file-insecure", 0, SYNTAX_FLAG, ALL, AT(passphrase.file_insecure),
     NULL, NULL, "accept a --passphrase-file that others can read"},
    {"kdf-limit", 0, SYNTAX_VALUE, ALL, 0, values_kdf_limit, "PASSES:MIB",
     "highest cost that an archive may ask for (10:1024)"},
    {"config", 0, SYNTAX_TEXT, ALL, AT(config), NULL, "NAME|FILE",
     "take options from /etc/pmm-seal/NAME.conf, or from FILE (with a '/' in it); the "
     "command line has the last word"},
    {"accept", 0, SYNTAX_VALUE, ALL, 0, values_accept, "ID,...",
     "warnings of these ids are notes: they do not change the exit status"},
    {"threads", 0, SYNTAX_VALUE, ALL, 0, values_threads, "N",
     "workers, 1 to 64 (the CPUs it may use, at most 8)"},
    {"progress", 0, SYNTAX_VALUE, ALL, 0, values_progress, "HOW",
     "auto, bar, lines or none; SIGUSR1 prints a line at any time"},
    {"json", 0, SYNTAX_FLAG, ALL, AT(json), NULL, NULL,
     "the report as one JSON object"},
    {"quiet", 'q', SYNTAX_FLAG, ALL, AT(quiet), NULL, NULL,
     "no progress, no notes, no summary; warnings and errors stay"},
    {"verbose", 'v', SYNTAX_FLAG, ALL, AT(verbose), NULL, NULL,
     "a longer summary; takes back quiet = yes of --config"},
    {"help", 'h', SYNTAX_FLAG, ALL, AT(help), NULL, NULL, "this text"},
    {"version", 'V', SYNTAX_FLAG, ALL, AT(version), NULL, NULL,
     "versions of the program and its libraries"},
};

const size_t syntax_options_count = sizeof syntax_options / sizeof syntax_options[0];

int syntax_apply(struct options *o, const struct syntax_option *row, const char *arg,
                 struct err *err)
{
    char *field = (char *)o + row->field;
    switch (row->kind) {
    case SYNTAX_FLAG:
        *(bool *)field = true; /* field of struct options: aligned */
        return 0;
    case SYNTAX_TEXT:
        if (arg[0] == '\0')
            return err_set(err, ERR_USAGE, "--%s: the argument is empty", row->name);
        memcpy(field, &arg, sizeof arg);
        return 0;
    case SYNTAX_VALUE:
        return row->set(o, row->name, arg, err);
    }
    return -1;
}
