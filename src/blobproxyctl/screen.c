/* SPDX-License-Identifier: MIT */
/* A few escape sequences that every terminal knows. */
#include "screen.h"
#include "../lib/clock.h"
#include "shown.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#define HOME "\033[H"
#define CLEAR_TO_LINE_END "\033[K"
#define CLEAR_TO_SCREEN_END "\033[J"
#define HIDE_CURSOR "\033[?25l"
#define SHOW_CURSOR "\033[?25h"

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGWINCH);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Keys come at once and are not shown. */
static void open_keyboard(struct screen *screen)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &screen->saved) < 0)
        return;
    raw = screen->saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    screen->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

int screen_open(struct screen *screen, FILE *out, bool is_plain)
{
    *screen = (struct screen){.out = out, .signals = -1, .is_terminal = !is_plain && isatty(fileno(out))};
    if (!screen->is_terminal)
        return 0;
    screen->signals = open_signals();
    if (screen->signals < 0)
        return -errno;
    open_keyboard(screen);
    (void)fputs(HIDE_CURSOR HOME CLEAR_TO_SCREEN_END, out);
    return 0;
}

void screen_close(struct screen *screen)
{
    if (screen->is_raw)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &screen->saved);
    if (screen->is_terminal)
        (void)fputs(SHOW_CURSOR, screen->out);
    if (screen->signals >= 0)
        (void)close(screen->signals);
    screen->signals = -1;
}

/* The line up to this many characters. */
static int line_bytes(const char *line, size_t len, unsigned columns)
{
    size_t bytes = 0;

    for (unsigned taken = 0; bytes < len && taken < columns; taken++)
        for (bytes++; bytes < len && (line[bytes] & 0xc0) == 0x80; bytes++)
            continue;
    return (int)bytes;
}

static void show_in_place(const struct screen *screen, const char *text)
{
    struct winsize size = {0};
    unsigned rows, columns;

    (void)ioctl(fileno(screen->out), TIOCGWINSZ, &size);
    rows = size.ws_row ? size.ws_row : 24;
    columns = size.ws_col ? size.ws_col : 80;
    (void)fputs(HOME, screen->out);
    for (unsigned row = 1; *text && row < rows; row++) { /* the cursor stands in the last one */
        size_t len = strcspn(text, "\n");

        (void)fprintf(screen->out, "%.*s" CLEAR_TO_LINE_END "\n", line_bytes(text, len, columns), text);
        text += len + (text[len] == '\n');
    }
    (void)fputs(CLEAR_TO_SCREEN_END, screen->out);
}

void screen_show(struct screen *screen, const char *text)
{
    if (screen->is_terminal)
        show_in_place(screen, text);
    else
        (void)fprintf(screen->out, "%s%s", screen->shown ? "\n" : "", text);
    screen->shown++;
    (void)fflush(screen->out);
}

/* false: what woke us ends the program. */
static bool go_on(const struct screen *screen, const struct pollfd waits[2])
{
    struct signalfd_siginfo signal;
    char key;

    if (waits[0].revents && read(screen->signals, &signal, sizeof(signal)) == (ssize_t)sizeof(signal))
        return signal.ssi_signo == SIGWINCH;
    if (waits[1].revents)
        return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q';
    return true;
}

bool screen_wait(struct screen *screen, double seconds)
{
    struct pollfd waits[2] = {{.fd = screen->signals, .events = POLLIN},
                              {.fd = screen->is_raw ? STDIN_FILENO : -1, .events = POLLIN}};
    uint64_t end_us = clock_mono_us() + (uint64_t)(seconds * 1e6);

    if (ferror(screen->out))
        return false;
    for (uint64_t now_us = clock_mono_us(); now_us < end_us; now_us = clock_mono_us()) {
        int r = poll(waits, 2, (int)((end_us - now_us + 999) / 1000));

        if (r > 0 && !go_on(screen, waits))
            return false;
    }
    return true;
}
