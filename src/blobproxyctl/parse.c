/* SPDX-License-Identifier: MIT */
/* What the kernel writes about itself, read. */
#include "parse.h"

#include "../lib/vmbus/packet.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RESPONSE_PAGES (LIMIT_SLOT_RESPONSE_BYTES / PACKET_PAGE_BYTES)

/* The line behind this one; NULL: there is none. */
static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');

    return end && end[1] != '\0' ? end + 1 : NULL;
}

bool parse_modules(const char *text, const char *module)
{
    size_t len = strlen(module);

    for (const char *line = text; line; line = next_line(line))
        if (strncmp(line, module, len) == 0 && line[len] == ' ')
            return true;
    return false;
}

static bool is_module_name(const char *file, const char *module, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((file[i] == '-' ? '_' : file[i]) != module[i])
            return false;
    return true;
}

bool parse_module_files(const char *text, const char *module)
{
    size_t len = strlen(module);

    for (const char *line = text; line; line = next_line(line)) {
        size_t path_bytes = strcspn(line, ":\n");
        const char *slash = memrchr(line, '/', path_bytes), *file = slash ? slash + 1 : line;

        if (is_module_name(file, module, len) && strncmp(file + len, ".ko", 3) == 0)
            return true;
    }
    return false;
}

char parse_config_line(const char *line, const char *option)
{
    size_t len = strlen(option);
    bool is_unset = strncmp(line, "# ", 2) == 0;

    if (is_unset)
        line += 2;
    if (strncmp(line, option, len) != 0)
        return 0;
    if (is_unset)
        return strncmp(line + len, " is not set", 11) == 0 ? 'n' : 0;
    return line[len] == '=' && (line[len + 1] == 'y' || line[len + 1] == 'm') ? line[len + 1] : 0;
}

static bool is_in_list(const char *list, size_t list_bytes, const char *word)
{
    size_t len = strlen(word);

    for (const char *end = list + list_bytes; list < end;) {
        size_t item_bytes = strcspn(list, ",:");

        if (item_bytes == len && strncmp(list, word, len) == 0)
            return true;
        list += item_bytes + 1;
    }
    return false;
}

/* Lines are NUMBER:CONTROLLERS:PATH; the unified hierarchy is number 0 and names no controller. */
bool parse_cgroup(const char *text, const char *controller, char *path, size_t path_bytes)
{
    for (const char *line = text; line; line = next_line(line)) {
        const char *list = strchr(line, ':'), *colon = list ? strchr(list + 1, ':') : NULL;

        if (!colon)
            return false;
        bool is_wanted = controller ? is_in_list(list + 1, (size_t)(colon - list - 1), controller) : colon == list + 1;

        if (!is_wanted)
            continue;
        size_t len = strcspn(colon + 1, "\n");

        if (len >= path_bytes)
            return false;
        memcpy(path, colon + 1, len);
        path[len] = '\0';
        return true;
    }
    return false;
}

bool parse_limit(const char *text, uint64_t *ret_limit)
{
    char *end;

    if (strcmp(text, "max") == 0) {
        *ret_limit = UINT64_MAX;
        return true;
    }
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0)
        return false;
    *ret_limit = number;
    return true;
}

void parse_choice(const char *text, char *choice, size_t choice_bytes)
{
    const char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;

    choice[0] = '\0';
    if (close)
        (void)snprintf(choice, choice_bytes, "%.*s", (int)(close - open - 1), open + 1);
}

bool parse_is_guid(const char *text, const char *guid)
{
    size_t len = strlen(guid);

    if (*text == '{')
        text++;
    return strncasecmp(text, guid, len) == 0 && (text[len] == '\0' || text[len] == '}');
}

uint32_t parse_ring_depth(uint64_t ring_data_bytes, uint32_t data_bytes)
{
    uint32_t pages = (data_bytes + PACKET_PAGE_BYTES - 1) / PACKET_PAGE_BYTES + 1 + RESPONSE_PAGES;
    uint64_t packet_bytes = PACKET_REQUEST_BYTES(pages) + PACKET_FOOTER_BYTES;

    /* Full to the last byte would read as empty. */
    return ring_data_bytes == 0 ? 0 : (uint32_t)((ring_data_bytes - 1) / packet_bytes);
}
