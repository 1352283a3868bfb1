/* SPDX-License-Identifier: MIT */
/* Splits lines in place: name, labels, value. */
#include "exposition.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:"
#define SAMPLES_MAX 65536u /* blobproxyd has some hundreds */

/* The brace that ends the labels; one inside of a quoted value does not. NULL: none. */
static char *labels_end(char *labels)
{
    bool is_quoted = false;

    for (char *byte = labels; *byte; byte++) {
        if (*byte == '\\' && byte[1])
            byte++;
        else if (*byte == '"')
            is_quoted = !is_quoted;
        else if (*byte == '}' && !is_quoted)
            return byte;
    }
    return NULL;
}

/* "name value" or "name{labels} value"; the line has its NUL. */
static bool read_line(char *line, struct sample *ret_sample)
{
    static char none[] = "";
    char *labels = line + strspn(line, NAME_BYTES), *rest = labels, *end;

    if (labels == line)
        return false;
    if (*labels == '{') {
        rest = labels_end(labels + 1);
        if (!rest)
            return false;
        *labels++ = '\0';
        *rest++ = '\0';
    } else {
        labels = none;
    }
    if (*rest != ' ')
        return false;
    *rest++ = '\0';
    ret_sample->name = line;
    ret_sample->labels = labels;
    ret_sample->value = strtod(rest, &end);
    return end != rest && *end == '\0';
}

static int add(struct exposition *exposition, const struct sample *sample)
{
    size_t count = exposition->count;

    if (count >= SAMPLES_MAX)
        return -ENOMEM;
    if ((count & (count - 1)) == 0) { /* none, or a power of two: all are in use */
        struct sample *more = realloc(exposition->samples, (count ? 2 * count : 1) * sizeof(*more));

        if (!more)
            return -ENOMEM;
        exposition->samples = more;
    }
    exposition->samples[exposition->count++] = *sample;
    return 0;
}

static int read_lines(struct exposition *exposition, struct err *err)
{
    unsigned number = 0;

    for (char *line = exposition->text, *next; *line; line = next) {
        size_t len = strcspn(line, "\n");
        struct sample sample;

        next = line + len + (line[len] == '\n');
        line[len] = '\0';
        number++;
        if (*line == '\0' || *line == '#')
            continue;
        if (!read_line(line, &sample))
            return err_set(err, -EINVAL, "line %u of the metrics is none", number);
        if (add(exposition, &sample) < 0)
            return err_set(err, -ENOMEM, "no memory");
    }
    return 0;
}

int exposition_read(const char *text, size_t len, struct exposition *ret_exposition, struct err *err)
{
    struct exposition exposition = {.text = strndup(text, len)};
    int r = exposition.text ? read_lines(&exposition, err) : err_set(err, -ENOMEM, "no memory");

    if (r < 0)
        exposition_free(&exposition);
    *ret_exposition = exposition;
    return r;
}

void exposition_free(struct exposition *exposition)
{
    free(exposition->samples);
    free(exposition->text);
    *exposition = (struct exposition){0};
}

/* Copies a quoted value from behind its first quote. Returns what follows its last one. */
static const char *read_value(const char *quoted, char value[EXPOSITION_LABEL_BYTES])
{
    size_t len = 0;

    for (; *quoted && *quoted != '"'; quoted++) {
        char byte = *quoted;

        if (byte == '\\' && quoted[1])
            byte = *++quoted == 'n' ? '\n' : *quoted;
        if (len < EXPOSITION_LABEL_BYTES - 1)
            value[len++] = byte;
    }
    value[len] = '\0';
    return *quoted ? quoted + 1 : quoted;
}

bool exposition_label(const struct sample *sample, const char *label, char value[EXPOSITION_LABEL_BYTES])
{
    const char *place = sample->labels;

    for (;;) {
        size_t len = strcspn(place, "=");
        bool is_it = strlen(label) == len && strncmp(place, label, len) == 0;

        if (place[len] == '\0' || place[len + 1] != '"')
            return false;
        place = read_value(place + len + 2, value);
        if (is_it)
            return true;
        place += *place == ',';
    }
}

double exposition_sum(const struct exposition *exposition, const char *name, const char *label, const char *value)
{
    char has[EXPOSITION_LABEL_BYTES];
    double sum = 0;

    for (size_t i = 0; i < exposition->count; i++) {
        const struct sample *sample = &exposition->samples[i];

        if (strcmp(sample->name, name) == 0 && (!label || (exposition_label(sample, label, has) && strcmp(has, value) == 0)))
            sum += sample->value;
    }
    return sum;
}
