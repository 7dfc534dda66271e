#include "cli/help.h"

#include <string.h>

#include "cli/syntax.h"

#define LEFT  30u /* columns before the text */
#define WIDTH 79u

/* Words of `text` from column `col` on, wrapped, indented to LEFT. */
static void wrap(FILE *out, const char *text, size_t col)
{
    while (*text != '\0') {
        size_t n = strcspn(text, " ");
        if (col > LEFT && col + 1 + n > WIDTH) {
            fprintf(out, "\n%*s", (int)LEFT, "");
            col = LEFT;
        } else if (col > LEFT) {
            fputc(' ', out);
            col++;
        }
        fprintf(out, "%.*s", (int)n, text);
        col += n;
        text += n;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void row(FILE *out, const char *left, const char *text)
{
    size_t n = strlen(left);
    if (n + 1 > LEFT)
        fprintf(out, "%s\n%*s", left, (int)LEFT, "");
    else
        fprintf(out, "%-*s", (int)LEFT, left);
    wrap(out, text, LEFT);
}

static void print_commands(FILE *out)
{
    fputs(
        "Usage: pmm-seal COMMAND [options] ...\n\n"
        "Encrypted backup and verified restore of the data volume of a PMM server.\n\n",
        out);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        char left[64];
        snprintf(left, sizeof left, "  %s", syntax_commands[i].name);
        row(out, left, syntax_commands[i].what);
    }
    fputs("\npmm-seal COMMAND -h shows the options of a command, pmm-seal -V the "
          "version,\nman pmm-seal everything.\n",
          out);
}

static void print_option(FILE *out, const struct syntax_option *o)
{
    char left[80], letter[8] = "    ";
    if (o->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "  %s--%s%s%s", letter, o->name,
             o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");
    row(out, left, o->help);
}

static void print_options(FILE *out, enum command command)
{
    const struct syntax_command *c = &syntax_commands[command];
    const unsigned all = (1u << COMMAND_COUNT) - 1;
    bool common = false;
    fprintf(out, "Usage: pmm-seal %s [options] %s\n\n", c->name, c->operands);
    fprintf(out, "%c%s.\n\n", c->what[0] - 'a' + 'A', c->what + 1);
    for (size_t i = 0; i < syntax_options_count; i++) {
        const struct syntax_option *o = &syntax_options[i];
        if ((o->commands & 1u << command) == 0)
            continue;
        if (o->commands == all && !common)
            fputs("\nPassphrase (else from PMM_SEAL_PASSPHRASE_FILE, "
                  "PMM_SEAL_PASSPHRASE_COMMAND or\nPMM_SEAL_PASSPHRASE, else from the "
                  "terminal) and reports:\n",
                  out);
        common = o->commands == all;
        print_option(out, o);
    }
    fputs(
        "\nExit status: 0 done and checked, 1 failed, 2 usage, 3 done with warnings,\n"
        "4 no usable passphrase, 5 damaged, 6 in use, 7 refused for safety,\n"
        "8 differences (diff), 128+n ended by signal n.\n",
        out);
}

void help_print(FILE *out, enum command command)
{
    if (command == COMMAND_NONE)
        print_commands(out);
    else
        print_options(out, command);
}
