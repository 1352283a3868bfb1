/* SPDX-License-Identifier: MIT */
/* Fuzzes metrics in text form: every sample lies inside of the text, and figures of it can be made, shown and written as JSON. */
#include "../../src/blobproxyctl/exposition.h"
#include "../../src/blobproxyctl/figures.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_samples(const struct exposition *exposition, size_t len)
{
    char value[EXPOSITION_LABEL_BYTES];

    for (size_t i = 0; i < exposition->count; i++) {
        const struct sample *sample = &exposition->samples[i];

        if (sample->name < exposition->text || sample->name >= exposition->text + len || *sample->name == '\0')
            abort();
        if (exposition_label(sample, "le", value) && strlen(value) >= EXPOSITION_LABEL_BYTES)
            abort();
    }
}

static void check_figures(const struct exposition *exposition)
{
    static struct figures figures;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    figures_make(exposition, exposition, 1, 10, &figures);
    if (!out || figures_print(&figures, out) < 0 || fclose(out) != 0)
        abort();
    json_decref(figures_json(&figures));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct exposition exposition;
    struct err err = {0};

    if (exposition_read((const char *)bytes, len, &exposition, &err) < 0)
        return 0;
    check_samples(&exposition, len);
    if (exposition.count < 200) /* who has more is slow, and no more interesting */
        check_figures(&exposition);
    exposition_free(&exposition);
    return 0;
}
