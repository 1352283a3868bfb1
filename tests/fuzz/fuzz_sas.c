/* SPDX-License-Identifier: MIT */
/* A raw query: without the key no token may ever be good, and none may crash. */
#include "../../src/lib/sign/sas.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct account account = {.name = "acct", .keys = {{.bytes = {7, 7, 7, 7}, .len = 4}}};
    static const char needs[] = "sco";

    for (size_t i = 0; i < sizeof(needs) - 1; i++) {
        const struct sas_request request = {.account = "acct",
                                            .container = "c",
                                            .blob = needs[i] == 'o' ? "d/e/f" : "",
                                            .query = {(const char *)data, size},
                                            .is_https = i > 0,
                                            .need = {.permissions = "rl", .resource = needs[i]}};

        if (sas_verify(&request, &account, 1769849377000000) == SAS_OK)
            abort();
    }
    return 0;
}
