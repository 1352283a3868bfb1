/* SPDX-License-Identifier: MIT */
/* Shows one text after the other: in place on a terminal, one below the other elsewhere. */
#ifndef BLOBPROXYCTL_SCREEN_H
#define BLOBPROXYCTL_SCREEN_H

#include "../lib/cleanup.h"

#include <stdbool.h>
#include <stdio.h>
#include <termios.h>

struct screen {
    FILE *out;
    bool is_terminal; /* texts replace each other; q and Ctrl-C end it */
    bool is_raw;      /* the keyboard's settings were changed: saved holds those before */
    struct termios saved;
    int signals;    /* descriptor that tells of Ctrl-C and of a changed size; -1 without a terminal */
    unsigned shown; /* texts so far */
};

/* 0 or a negative errno. is_plain: as if there were no terminal. */
int screen_open(struct screen *screen, FILE *out, bool is_plain) MUST_CHECK;
void screen_close(struct screen *screen); /* the last text stays */

/* On a terminal lines that are too long are cut, and those that find no place are left out. */
void screen_show(struct screen *screen, const char *text);

/* Waits. false: the user wants to end, or nobody reads the output any more. */
bool screen_wait(struct screen *screen, double seconds) MUST_CHECK;

#endif
