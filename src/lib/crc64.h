/* SPDX-License-Identifier: MIT */
/* CRC-64/NVME: the checksum of the envelope and of x-ms-content-crc64. */
#ifndef BLOBPROXY_CRC64_H
#define BLOBPROXY_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* Reflected polynomial 0x9A6C9329AC4BC9B5, initial value and final xor all ones; "123456789" gives 0xAE8B14860A799888.
 * Start with crc = 0; the result of one call continues in the next. Thread-safe, chooses the fastest way this CPU has. */
uint64_t crc64_update(uint64_t crc, const void *bytes, size_t len);

/* The CRC of A followed by B, from the CRC of each and the length of B in bytes. */
uint64_t crc64_combine(uint64_t crc_a, uint64_t crc_b, uint64_t len_b);

#endif
