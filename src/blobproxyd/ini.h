/* SPDX-License-Identifier: MIT */
/* INI text as a sequence of sections and pairs. Pure; allocates nothing; any line length. */
#ifndef BLOBPROXYD_INI_H
#define BLOBPROXYD_INI_H

#include "../lib/head.h"

/* Lines are "[section]", "key = value", empty, or comments that begin with '#' or ';'. Blanks around key and value do not count.
 * Values are never quoted, never continued, and hold no comment: where a blank is followed by '#' or ';' the line is refused,
 * since somebody meant a comment there. Tabs apart, control bytes are refused. A carriage return before the line's end is fine.
 */
struct ini {
    const char *next; /* the parser's own */
    const char *end;
    unsigned line;
};

enum ini_kind { INI_SECTION, INI_PAIR, INI_BAD, INI_END };

struct ini_item {
    enum ini_kind kind;
    unsigned line;       /* from 1 */
    struct slice name;   /* section or key */
    struct slice value;  /* of a pair; may be empty */
    const char *problem; /* INI_BAD: what is wrong and what to write */
};

/* A value from elsewhere, as a line of a file would have it: drops the blanks around it. NULL, or what is wrong with it and what
 * to write. */
const char *ini_take_value(struct slice *text);

/* text must outlive the parser and what it hands out. A UTF-8 byte order mark is skipped. */
void ini_open(struct ini *ini, const char *text, size_t len);

/* The next item; INI_END for ever after the last line. Goes on behind a bad line. */
struct ini_item ini_next(struct ini *ini);

#endif
