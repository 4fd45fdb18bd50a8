/* Little-endian numbers in byte buffers, and copies without string.h, which a freestanding compiler need not have. */
#ifndef LPS_BYTES_H
#define LPS_BYTES_H

#include <stddef.h>
#include <stdint.h>

static inline uint16_t lps_get16(const uint8_t *from) { return (uint16_t)(from[0] | (from[1] << 8)); }

static inline int16_t lps_get16s(const uint8_t *from) {
    const int32_t value = lps_get16(from);
    return (int16_t)(value < 0x8000 ? value : value - 0x10000);
}

static inline uint32_t lps_get32(const uint8_t *from) {
    return (uint32_t)lps_get16(from) | ((uint32_t)lps_get16(from + 2) << 16);
}

static inline uint64_t lps_get64(const uint8_t *from) {
    return (uint64_t)lps_get32(from) | ((uint64_t)lps_get32(from + 4) << 32);
}

static inline uint8_t *lps_put8(uint8_t *to, uint32_t value) {
    to[0] = (uint8_t)(value & 0xFFu);
    return to + 1;
}

static inline uint8_t *lps_put16(uint8_t *to, uint32_t value) { return lps_put8(lps_put8(to, value), value >> 8); }

static inline uint8_t *lps_put16s(uint8_t *to, int16_t value) { return lps_put16(to, (uint32_t)(uint16_t)value); }

static inline uint8_t *lps_put32(uint8_t *to, uint32_t value) { return lps_put16(lps_put16(to, value), value >> 16); }

static inline uint8_t *lps_put64(uint8_t *to, uint64_t value) {
    return lps_put32(lps_put32(to, (uint32_t)(value & 0xFFFFFFFFu)), (uint32_t)(value >> 32));
}

static inline uint8_t *lps_put_float(uint8_t *to, float value) {
    union {
        float number;
        uint32_t bits;
    } as;
    as.number = value;
    return lps_put32(to, as.bits);
}

static inline uint8_t *lps_put_bytes(uint8_t *to, const uint8_t *from, size_t count) {
    for (size_t k = 0; k < count; k++) {
        to[k] = from[k];
    }
    return to + count;
}

#endif
