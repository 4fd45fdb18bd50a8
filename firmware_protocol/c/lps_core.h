/* The sensor: samples and link events in, notifications, indications and motor pulses out through the HAL. PROTOCOL.md section 7
 * has the state machine. One caller at a time: from one loop or one thread, never from an interrupt. All memory is the caller's
 * lps_core and block array; nothing is allocated.
 *
 * A board does: lps_init; lps_sample for each reading of the IMU, in order; lps_poll at least every 20 ms; and the link events. */
#ifndef LPS_CORE_H
#define LPS_CORE_H

#include "lps_backfill.h"
#include "lps_haptic.h"
#include "lps_motion.h"

#define LPS_OUTBOX_N 4
#define LPS_MTU_MIN 23

/* What Info says, and the block array of the ring. reset_reason: status.py's ResetReason. features: status.py's Feature. */
typedef struct {
    uint8_t device_id[LPS_DEVICE_ID_B];
    uint32_t features;
    uint16_t imu;
    uint8_t reset_reason;
    uint8_t config_count;
    const lps_config *configs;
    lps_block *blocks;
    uint16_t block_count;
} lps_settings;

typedef enum {
    LPS_FEATURE_FLASH_RING = 1,
    LPS_FEATURE_HAPTIC = 2,
    LPS_FEATURE_LED = 4,
    LPS_FEATURE_BUTTON = 8,
    LPS_FEATURE_LOCAL_ALERT = 16,
    LPS_FEATURE_BATTERY_GAUGE = 32
} lps_feature;

/* What the board must answer to a write to Control: 0, or this ATT error. */
typedef enum {
    LPS_ATT_OK = 0,
    LPS_ATT_INVALID_LENGTH = 13,
    LPS_ATT_INSUFFICIENT_ENCRYPTION = 15,
    LPS_ATT_IN_PROGRESS = 254
} lps_att;

typedef enum { LPS_AFTER_NOTHING = 0, LPS_AFTER_FORGET_BONDS = 1, LPS_AFTER_REBOOT = 2 } lps_after;

/* An indication that waits for its turn. */
typedef struct {
    uint8_t length;
    uint8_t data[LPS_REPLY_MAX_B];
} lps_message;

/* config: what START asked for. n_max: rows per live frame, 0: mini frames. average, group_*: the group of four being collected.
 * frame: the rows that wait for the frame to be full; the next row has expected_index, or there is a gap. owing_ticks: the last
 * START, DONE or frame that the link did not take; the host may ask for what it lacks. */
typedef struct {
    bool active;
    uint8_t config;
    uint8_t n_max;
    uint32_t expected_index;
    uint64_t owing_ticks;
    lps_average average;
    uint32_t group_ticks;
    uint8_t group_flags;
    lps_frame frame;
} lps_stream;

typedef struct {
    const lps_hal *hal;
    lps_settings settings;
    lps_ring ring;
    lps_backfill backfill;
    lps_stream stream;
    lps_gyro_cal gyro_cal;
    lps_tilt tilt;
    lps_haptic haptic;
    lps_power power;
    uint64_t power_ticks;
    uint64_t status_ticks;
    uint8_t status_state;
    uint32_t next_index;
    uint8_t recording;
    bool time_synced;
    uint8_t condition;
    bool connected;
    bool encrypted;
    uint16_t mtu;
    bool pressed;
    uint64_t pressed_ticks;
    lps_message outbox[LPS_OUTBOX_N];
    uint8_t outbox_first;
    uint8_t outbox_n;
    bool in_flight;
    lps_after after;
} lps_core;

/* Mounts the ring and starts recording with the first full-rate configuration, which the HAL is asked to set. false: see
 * lps_ring_mount, or the IMU cannot be configured. settings are copied, what they point to is kept. */
bool lps_init(lps_core *core, const lps_hal *hal, const lps_settings *settings);

/* One reading: ax ay az gx gy gz, at this tick of the HAL's clock. */
void lps_sample(lps_core *core, const int16_t *sample, uint64_t ticks);
/* `count` readings, samples and ticks one after another. */
void lps_samples(lps_core *core, const int16_t *samples, const uint64_t *ticks, uint32_t count);
/* Readings that were lost before lps_sample (the IMU's FIFO overflowed). */
void lps_lost(lps_core *core, uint32_t count);
/* Flags that only the board knows, for the samples from now on. */
void lps_condition(lps_core *core, bool worn, bool moving);

/* Everything that waits: indications, motor pulses, Status, then frames of the backfill until the link has no room. */
void lps_poll(lps_core *core);

/* Link events. mtu: of ATT. encrypted: with a bond of Secure Connections. */
void lps_connected(lps_core *core);
void lps_mtu(lps_core *core, uint16_t mtu);
void lps_encrypted(lps_core *core, bool encrypted);
void lps_disconnected(lps_core *core);
lps_att lps_control_write(lps_core *core, const uint8_t *data, size_t length);
/* The client has confirmed the indication. */
void lps_confirmed(lps_core *core);

void lps_button(lps_core *core);
/* Whether a pairing may begin now: within 60 s of a press of the button. */
bool lps_may_pair(const lps_core *core);

/* Values of the readable characteristics: room for LPS_STATUS_B and LPS_INFO_MAX_B; give the number of bytes. */
size_t lps_read_status(const lps_core *core, uint8_t *out);
size_t lps_read_info(const lps_core *core, uint8_t *out);

#endif
