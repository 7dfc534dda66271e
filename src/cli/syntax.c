#include "cli/syntax.h"

#include <string.h>

#include "cli/values.h"

const struct syntax_command syntax_commands[] = {
    [COMMAND_BACKUP] = {"backup", "[-o ARCHIVE|DIRECTORY/|-] SOURCE",
                        "save the directory SOURCE in an encrypted archive", 1, 1},
    [COMMAND_VERIFY] = {"verify", "ARCHIVE|-",
                        "read and check everything, write nothing", 1, 1},
    [COMMAND_LIST] = {"list", "ARCHIVE|- [PATH...]", "show what an archive holds", 1,
                      -1},
    [COMMAND_INFO] = {"info", "ARCHIVE",
                      "show what is known without a key; with one, when, whence and "
                      "how much",
                      1, 1},
    [COMMAND_RESTORE] = {"restore", "ARCHIVE|- TARGET [PATH...]",
                         "bring an archive, or PATHs of it, back to TARGET", 2, -1},
    [COMMAND_DIFF] = {"diff", "ARCHIVE|- DIRECTORY",
                      "compare an archive with a directory, byte for byte", 2, 2},
    [COMMAND_REKEY] = {"rekey", "ARCHIVE",
                       "change, add or remove a passphrase; heal damaged headers", 1,
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
#define LIST    (1u << COMMAND_LIST)
#define RESTORE (1u << COMMAND_RESTORE)
#define DIFF    (1u << COMMAND_DIFF)
#define REKEY   (1u << COMMAND_REKEY)
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
    {"no-default-excludes", 0, SYNTAX_FLAG, BACKUP, AT(no_default_excludes), NULL, NULL,
     "leave nothing out unasked; no effect on what is no PMM volume"},
    {"allow-live", 0, SYNTAX_FLAG, BACKUP, AT(allow_live), NULL, NULL,
     "back up a running server; no effect on what is no PMM volume"},
    {"kdf", 0, SYNTAX_VALUE, BACKUP | REKEY, 0, values_kdf, "LEVEL",
     "cost of trying a passphrase: interactive (64 MiB), moderate (256 MiB, the "
     "default), sensitive (1 GiB)"},
    {"new-passphrase", 0, SYNTAX_FLAG, BACKUP, AT(new_passphrase), NULL, NULL,
     "it is meant to differ from that of the earlier archives of this name"},

    {"replace", 0, SYNTAX_FLAG, RESTORE, AT(replace), NULL, NULL,
     "TARGET has content: put the archive's in its place once that has proved good"},
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
    {"dry-run", 'n', SYNTAX_FLAG, RESTORE, AT(dry_run), NULL, NULL,
     "check the archive (with PATH: what holds it), write nothing; TARGET is not "
     "looked at"},

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
    {"verbose", 'v', SYNTAX_FLAG, ALL, AT(verbose), NULL, NULL, "a longer summary"},
    {"help", 'h', SYNTAX_FLAG, ALL, AT(help), NULL, NULL, "this text"},
    {"version", 'V', SYNTAX_FLAG, ALL, AT(version), NULL, NULL,
     "versions of the program and its libraries"},
};

const size_t syntax_options_count = sizeof syntax_options / sizeof syntax_options[0];
