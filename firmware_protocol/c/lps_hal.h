/* What a board gives to the core. The core calls these from lps_sample, lps_poll and the link events of lps_core.h, never from
 * an interrupt; none may call back into the core. `context` is handed back unchanged. */
#ifndef LPS_HAL_H
#define LPS_HAL_H

#include "lps_codec.h"

typedef enum { LPS_CHAR_STREAM = 1, LPS_CHAR_CONTROL = 2, LPS_CHAR_STATUS = 3, LPS_CHAR_BACKFILL = 5 } lps_characteristic;

/* battery_mv: 0 unknown. temperature_degc: -128 unknown. charge: percent, plus 128 while charging; 255 unknown. */
typedef struct {
    uint16_t battery_mv;
    int8_t temperature_degc;
    uint8_t charge;
} lps_power;

typedef struct {
    void *context;

    /* The clock, 32768 Hz since the boot. Never goes back. */
    uint64_t (*ticks)(void *context);
    uint32_t (*random)(void *context);

    /* Queues a notification. false: not subscribed or no buffer free; the core then tries again later or leaves it to the
     * ring. For LPS_CHAR_BACKFILL answer false while fewer than two buffers are free, so that live frames never wait. */
    bool (*notify)(void *context, lps_characteristic characteristic, const uint8_t *data, size_t length);
    /* Queues an indication on Control; lps_confirmed is called when the client has confirmed it. */
    bool (*indicate)(void *context, const uint8_t *data, size_t length);

    /* The store of the ring: blocks of LPS_BLOCK_B bytes that are erased to 0xFF as a whole and in which bits can only be
     * cleared, as in NOR flash; RAM does as well. false: it failed. A write lies in one slot of LPS_SLOT_B bytes. */
    bool (*store_read)(void *context, uint32_t block, uint32_t offset, uint8_t *data, size_t length);
    bool (*store_write)(void *context, uint32_t block, uint32_t offset, const uint8_t *data, size_t length);
    bool (*store_erase)(void *context, uint32_t block);

    /* Sets rate and ranges of the IMU to a full-rate configuration. The next lps_sample is made with it. */
    bool (*configure)(void *context, const lps_config *config);

    /* Motor on for on_ms at this strength, then off by the board's own timer, whatever becomes of the core; on_ms 0: off. */
    void (*motor)(void *context, uint8_t strength_pct, uint32_t on_ms);
    void (*led)(void *context, uint32_t on_ms);

    void (*power)(void *context, lps_power *power);
    /* Bits of control.py's SelfTest. Must not touch the ring's blocks. */
    void (*self_test)(void *context, uint16_t *tested, uint16_t *failed);
    /* Asks the central for these connection parameters. */
    bool (*set_connection)(void *context, const lps_connection *connection);
    void (*forget_bonds)(void *context);
    void (*reboot)(void *context);
} lps_hal;

#endif
