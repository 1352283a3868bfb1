/* SPDX-License-Identifier: MIT */
/* CRC-64/NVME: eight tables everywhere, carry-less multiplication where the CPU has it. */
#include "crc64.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

/* All polynomials here are bit-reflected: the highest bit of a word is the coefficient of x^0. */
#define POLYNOMIAL UINT64_C(0x9A6C9329AC4BC9B5)
#define X_TO_0 (UINT64_C(1) << 63)
#define X_TO_1 (UINT64_C(1) << 62)

/* tables[n][b]: the remainder of byte b with n zero bytes behind it. */
static uint64_t tables[8][256];

static uint64_t times_x(uint64_t a)
{
    return (a >> 1) ^ ((a & 1) != 0 ? POLYNOMIAL : 0);
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
    uint64_t product = 0;

    for (; a != 0; a <<= 1) {
        if ((a & X_TO_0) != 0)
            product ^= b;
        b = times_x(b);
    }
    return product;
}

static uint64_t power(uint64_t base, uint64_t exponent)
{
    uint64_t result = X_TO_0;

    for (; exponent != 0; exponent >>= 1) {
        if ((exponent & 1) != 0)
            result = multiply(result, base);
        base = multiply(base, base);
    }
    return result;
}

static void fill_tables(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t remainder = byte;
        for (int bit = 0; bit < 8; bit++)
            remainder = times_x(remainder);
        tables[0][byte] = remainder;
    }
    for (unsigned byte = 0; byte < 256; byte++)
        for (unsigned n = 1; n < 8; n++)
            tables[n][byte] = (tables[n - 1][byte] >> 8) ^ tables[0][tables[n - 1][byte] & 0xFF];
}

/* Works on the bare remainder, without the inversion at both ends. */
static uint64_t update_by_tables(uint64_t remainder, const unsigned char *bytes, size_t len)
{
    for (; len >= 8; bytes += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        word = le64toh(word) ^ remainder;
        remainder = tables[7][word & 0xFF] ^ tables[6][word >> 8 & 0xFF] ^ tables[5][word >> 16 & 0xFF] ^
                    tables[4][word >> 24 & 0xFF] ^ tables[3][word >> 32 & 0xFF] ^ tables[2][word >> 40 & 0xFF] ^
                    tables[1][word >> 48 & 0xFF] ^ tables[0][word >> 56];
    }
    for (; len > 0; bytes++, len--)
        remainder = (remainder >> 8) ^ tables[0][(remainder ^ *bytes) & 0xFF];
    return remainder;
}

#ifdef __x86_64__
#include <immintrin.h>

#define FOLDS_FROM_BYTES 128u /* below this the tables are as fast */
#define FOLDING __attribute__((target("pclmul,sse2")))

static bool can_fold;

/* Multiplying by these carries the first and the second half of a 128-bit block over that distance. */
static uint64_t over_512_bits[2];
static uint64_t over_128_bits[2];

/* The product of two reflected words comes out one bit short, hence the - 1. */
static void fill_folds(void)
{
    __builtin_cpu_init();
    can_fold = __builtin_cpu_supports("pclmul") != 0;
    over_512_bits[0] = power(X_TO_1, 512 + 64 - 1);
    over_512_bits[1] = power(X_TO_1, 512 - 1);
    over_128_bits[0] = power(X_TO_1, 128 + 64 - 1);
    over_128_bits[1] = power(X_TO_1, 128 - 1);
}

FOLDING static inline __m128i load(const void *bytes)
{
    return _mm_loadu_si128((const __m128i *)bytes);
}

FOLDING static inline __m128i fold(__m128i block, __m128i distance, __m128i onto)
{
    __m128i first = _mm_clmulepi64_si128(block, distance, 0x00);
    __m128i second = _mm_clmulepi64_si128(block, distance, 0x11);
    return _mm_xor_si128(_mm_xor_si128(first, second), onto);
}

/* Four blocks side by side hide the latency of the multiplication; what is left is 16 bytes that have the same remainder as
 * everything before them, and the tables finish those. len >= 64. */
FOLDING static uint64_t update_by_folding(uint64_t remainder, const unsigned char *bytes, size_t len)
{
    __m128i distance = load(over_512_bits);
    __m128i a = _mm_xor_si128(load(bytes), _mm_cvtsi64_si128((long long)remainder));
    __m128i b = load(bytes + 16);
    __m128i c = load(bytes + 32);
    __m128i d = load(bytes + 48);
    unsigned char rest[16];

    for (bytes += 64, len -= 64; len >= 64; bytes += 64, len -= 64) {
        a = fold(a, distance, load(bytes));
        b = fold(b, distance, load(bytes + 16));
        c = fold(c, distance, load(bytes + 32));
        d = fold(d, distance, load(bytes + 48));
    }
    distance = load(over_128_bits);
    a = fold(fold(fold(a, distance, b), distance, c), distance, d);
    for (; len >= 16; bytes += 16, len -= 16)
        a = fold(a, distance, load(bytes));
    _mm_storeu_si128((__m128i *)rest, a);
    return update_by_tables(update_by_tables(0, rest, sizeof(rest)), bytes, len);
}

static uint64_t update(uint64_t remainder, const unsigned char *bytes, size_t len)
{
    return can_fold && len >= FOLDS_FROM_BYTES ? update_by_folding(remainder, bytes, len)
                                               : update_by_tables(remainder, bytes, len);
}
#else
static void fill_folds(void)
{
}

static uint64_t update(uint64_t remainder, const unsigned char *bytes, size_t len)
{
    return update_by_tables(remainder, bytes, len);
}
#endif

/* Before main(), so that no thread can see half a table. */
__attribute__((constructor)) static void prepare(void)
{
    fill_tables();
    fill_folds();
}

uint64_t crc64_update(uint64_t crc, const void *bytes, size_t len)
{
    return ~update(~crc, bytes, len);
}

uint64_t crc64_combine(uint64_t crc_a, uint64_t crc_b, uint64_t len_b)
{
    uint64_t x_to_8 = X_TO_0 >> 8;

    return multiply(crc_a, power(x_to_8, len_b)) ^ crc_b;
}
