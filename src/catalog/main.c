/* SPDX-License-Identifier: MIT */
/* A program of the build: prints what message.def says of one program's events, as a catalog for journalctl or as the section of
 * its man page. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LINE_CHARS 80
#define FOR_CLIENTS "For clients:"
#define TO_DO "What to do:"

struct row {
    const char *program, *word, *level, *id, *subject, *what, *clients, *remedy;
};

static const struct row rows[] = {
#define MESSAGE(program, word, level, id, subject, what, clients, remedy)                                                        \
    {#program, word, #level, id, subject, what, clients, remedy},
#include "../lib/message.def"
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct {
    const char *key, *what;
} fields[] = {
#define MESSAGE_FIELD(key, kind, what) {key, what},
#include "../lib/message.def"
};

/* The label, then the text, lines broken at blanks. */
static void print_filled(const char *label, const char *text)
{
    size_t column = (size_t)printf("%s", label);

    while (*text) {
        size_t len = strcspn(text, " ");

        if (column > 0 && column + 1 + len > LINE_CHARS) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column > 0 ? " " : "", (int)len, text);
        text += len;
        text += *text == ' ';
    }
    putchar('\n');
}

static void print_catalog(const char *program)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];

        if (strcmp(row->program, program) != 0)
            continue;
        printf("-- %s\nSubject: %s\nDefined-By: %s\nDocumentation: man:%s(8)\n\n", row->id, row->subject, program, program);
        print_filled("", row->what);
        putchar('\n');
        print_filled(FOR_CLIENTS, row->clients);
        putchar('\n');
        print_filled(TO_DO, row->remedy);
        putchar('\n');
    }
}

/* mdoc wants each sentence on a line of its own. */
static void print_sentences(const char *label, const char *text)
{
    for (; *text; label = "") {
        const char *end = strstr(text, ". ");
        size_t len = end ? (size_t)(end - text) + 1 : strlen(text);
        char sentence[1024];

        (void)snprintf(sentence, sizeof(sentence), "%.*s", (int)len, text);
        print_filled(label, sentence);
        text += len;
        text += *text == ' ';
    }
}

static void print_level(const char *level)
{
    for (; *level; level++)
        putchar(*level | 0x20);
}

static void print_man_fields(void)
{
    puts(".Ss Fields\nIn the journal their names are in capitals and begin with BLOBPROXY_, so\n"
         "BLOBPROXY_STATUS; BLOBPROXY_EVENT is the event.\n.Bl -tag -width Ds -compact");
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        printf(".It Li %s\n", fields[i].key);
        print_filled("", fields[i].what);
    }
    puts(".El");
}

static void print_man(const char *program, bool has_fields)
{
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];

        if (strcmp(row->program, program) != 0)
            continue;
        printf(".It Sy %s , ", row->word);
        print_level(row->level);
        printf(" , Li %s\n", row->id);
        print_sentences("", row->what);
        print_sentences(FOR_CLIENTS, row->clients);
        print_sentences(TO_DO, row->remedy);
    }
    puts(".El");
    if (has_fields)
        print_man_fields();
}

static bool is_known(const char *program)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].program, program) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    bool is_catalog = argc == 3 && strcmp(argv[1], "catalog") == 0;

    if (argc != 3 || !is_known(argv[2]) || (!is_catalog && strcmp(argv[1], "man") != 0)) {
        fputs("Usage: message_catalog catalog|man blobproxyd|blobhostd\n", stderr);
        return 2;
    }
    if (is_catalog)
        print_catalog(argv[2]);
    else
        print_man(argv[2], strcmp(argv[2], "blobproxyd") == 0);
    return ferror(stdout) || fflush(stdout) == EOF;
}
