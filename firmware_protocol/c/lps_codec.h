/* Bytes <-> messages of the LPS protocol, version 1. PROTOCOL.md sections 3 to 6 are the reference; frames.py, control.py and
 * status.py are the same in Python, vectors.json binds both. Total: any bytes give a message or a reason. No state, no IO.
 *
 * The headers of this folder are also read by cffi: constants are plain numbers, one declaration means one thing. */
#ifndef LPS_CODEC_H
#define LPS_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LPS_VERSION 1
#define LPS_MINOR 0
#define LPS_TICK_HZ 32768
#define LPS_DEVICE_ID_B 8
#define LPS_CHANNELS 6
#define LPS_SAMPLES_MAX 19
#define LPS_FRAME_MIN_B 28
#define LPS_FRAME_MAX_B 244
#define LPS_MINI_B 18
#define LPS_REPLY_MAX_B 28
#define LPS_STATUS_B 20
#define LPS_CONFIGS_MAX 8
#define LPS_INFO_MAX_B 170
#define LPS_ADVERTISEMENT_B 31
#define LPS_NO_CONFIG 255

/* Why bytes were not accepted; the numbers are those of firmware_protocol/rejection.py. */
typedef enum {
    LPS_ACCEPTED = 0,
    LPS_REJECT_LENGTH = 1,
    LPS_REJECT_VERSION = 2,
    LPS_REJECT_TYPE = 3,
    LPS_REJECT_COUNT = 4,
    LPS_REJECT_CRC = 5,
    LPS_REJECT_VALUE = 6
} lps_reject;

typedef enum { LPS_LIVE = 0, LPS_BACKFILL = 1, LPS_MINI = 2 } lps_frame_kind;

typedef enum {
    LPS_FLAG_TIME_SYNCED = 1,
    LPS_FLAG_ACC_CLIPPED = 2,
    LPS_FLAG_GYR_CLIPPED = 4,
    LPS_FLAG_GAP_BEFORE = 8,
    LPS_FLAG_WORN = 16,
    LPS_FLAG_MOVING = 32,
    LPS_FLAG_LOW_BATTERY = 64
} lps_flag;

/* kind: LPS_LIVE or LPS_BACKFILL. index: of the first sample, full-rate samples since the boot. ticks: 32768 Hz, low 32 bits.
 * n: 1 to 19. samples: raw counts, ax ay az gx gy gz. */
typedef struct {
    uint8_t kind;
    uint8_t flags;
    uint8_t n;
    uint8_t config;
    uint16_t boot;
    uint32_t index;
    uint32_t ticks;
    int16_t samples[LPS_SAMPLES_MAX][LPS_CHANNELS];
} lps_frame;

/* index: low 24 bits. */
typedef struct {
    uint8_t flags;
    uint8_t config;
    uint32_t index;
    int16_t sample[LPS_CHANNELS];
} lps_mini;

typedef enum {
    LPS_OP_GET_CONFIGS = 1,
    LPS_OP_START = 2,
    LPS_OP_STOP = 3,
    LPS_OP_TIME_SYNC = 4,
    LPS_OP_SET_EPOCH = 5,
    LPS_OP_GYRO_CAL = 6,
    LPS_OP_HAPTIC = 7,
    LPS_OP_BACKFILL = 8,
    LPS_OP_BACKFILL_CANCEL = 9,
    LPS_OP_SET_CONN = 10,
    LPS_OP_IDENTIFY = 11,
    LPS_OP_SELF_TEST = 12,
    LPS_OP_LOCAL_ALERT = 13,
    LPS_OP_FORGET_BONDS = 14,
    LPS_OP_REBOOT = 15,
    LPS_OP_LIST_BOOTS = 16,
    LPS_OP_END = 17
} lps_op;

typedef enum {
    LPS_OK = 0,
    LPS_UNKNOWN_OP = 1,
    LPS_BAD_ARG = 2,
    LPS_BUSY = 3,
    LPS_STATE = 4,
    LPS_NOT_STORED = 5,
    LPS_MTU = 6,
    LPS_AUTH = 7
} lps_status;

/* Arguments of requests; the units are in control.py and PROTOCOL.md section 4. */
typedef struct {
    uint64_t unix_us;
    uint64_t ticks;
} lps_set_epoch_args;

typedef struct {
    uint8_t pattern;
    uint8_t strength_pct;
    uint8_t repeats;
} lps_haptic_args;

typedef struct {
    uint16_t boot;
    uint32_t from_index;
    uint32_t to_index;
} lps_backfill_args;

typedef struct {
    uint16_t interval_min;
    uint16_t interval_max;
    uint16_t latency;
    uint16_t timeout;
} lps_connection;

typedef struct {
    uint8_t angle_deg;
    uint16_t hold_s;
    int16_t up[3];
} lps_local_alert_args;

typedef struct {
    uint8_t op;
    uint8_t tag;
    union {
        uint8_t config;
        uint64_t t1;
        lps_set_epoch_args set_epoch;
        uint8_t duration_s;
        lps_haptic_args haptic;
        lps_backfill_args backfill;
        lps_connection connection;
        lps_local_alert_args local_alert;
        uint8_t skip;
    } args;
} lps_request;

typedef struct {
    uint8_t recording;
    uint8_t count;
    uint8_t ids[LPS_CONFIGS_MAX];
} lps_configs_reply;

typedef struct {
    uint8_t config;
    uint8_t n;
    uint32_t index;
} lps_start_reply;

typedef struct {
    uint64_t t1;
    uint64_t t2;
    uint64_t t3;
} lps_time_reply;

typedef struct {
    int16_t bias[3];
    uint8_t still;
} lps_gyro_reply;

typedef struct {
    uint32_t from_index;
    uint32_t to_index;
} lps_range;

typedef struct {
    uint16_t tested;
    uint16_t failed;
} lps_self_test_reply;

typedef struct {
    uint8_t count;
    uint16_t boot;
    lps_range range;
} lps_boots_reply;

/* A reply; which member of args is read follows from op and status as in PROTOCOL.md section 4. */
typedef struct {
    uint8_t op;
    uint8_t tag;
    uint8_t status;
    union {
        lps_configs_reply configs;
        lps_start_reply start;
        lps_time_reply time;
        lps_gyro_reply gyro;
        uint16_t budget_ms;
        lps_range range;
        lps_self_test_reply self_test;
        lps_boots_reply boots;
    } args;
} lps_reply;

typedef struct {
    uint16_t boot;
    uint32_t from_index;
    uint32_t to_index;
    uint32_t sent;
    uint32_t missing;
} lps_done;

typedef enum {
    LPS_STATE_STREAMING = 1,
    LPS_STATE_BACKFILLING = 2,
    LPS_STATE_BONDING = 4,
    LPS_STATE_CALIBRATING = 8
} lps_state;

typedef struct {
    uint16_t boot;
    uint8_t config;
    uint8_t state;
    uint8_t reset_reason;
    uint32_t end_index;
    uint32_t oldest_index;
    uint32_t dropped;
    uint16_t battery_mv;
    int8_t temperature_degc;
    uint8_t charge;
} lps_status_report;

/* rate_mhz: of what is sent. decimation: 1, or 4 for averages of four. Scales: counts per g and per deg/s. */
typedef struct {
    uint8_t id;
    uint8_t decimation;
    uint32_t rate_mhz;
    float acc_lsb_per_g;
    float gyr_lsb_per_dps;
    uint16_t acc_range_g;
    uint16_t gyr_range_dps;
} lps_config;

typedef struct {
    uint8_t samples_max;
    uint32_t tick_hz;
    uint32_t features;
    uint8_t device_id[LPS_DEVICE_ID_B];
    uint32_t ring_capacity;
    uint16_t imu;
    uint8_t config_count;
    const lps_config *configs;
} lps_info;

/* CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, neither reflected nor inverted; of "123456789" it is 0x29B1. */
uint16_t lps_crc16(const uint8_t *data, size_t length);

/* Bytes of a frame of n samples. */
size_t lps_frame_size(uint8_t n);

/* Writes lps_frame_size(frame->n) bytes to out (room for LPS_FRAME_MAX_B) and gives their number; 0 for n outside of 1 to 19. */
size_t lps_frame_encode(const lps_frame *frame, uint8_t *out);

/* frame is written only when LPS_ACCEPTED is returned; its samples from n on are left as they were. */
lps_reject lps_frame_decode(const uint8_t *data, size_t length, lps_frame *frame);

/* Writes LPS_MINI_B bytes. */
size_t lps_mini_encode(const lps_mini *mini, uint8_t *out);
lps_reject lps_mini_decode(const uint8_t *data, size_t length, lps_mini *mini);

/* op and tag are set as soon as two bytes are there, so that a rejected request can be answered; LPS_REJECT_TYPE: unknown op. */
lps_reject lps_request_decode(const uint8_t *data, size_t length, lps_request *request);

/* Milliseconds that the motor is on in one repeat of a pattern; 0 for 0 and for a pattern that does not exist. */
uint32_t lps_haptic_on_ms(uint8_t pattern);

/* Write to out and give the number of bytes: at most LPS_REPLY_MAX_B, 19, LPS_STATUS_B, LPS_INFO_MAX_B. */
size_t lps_reply_encode(const lps_reply *reply, uint8_t *out);
size_t lps_done_encode(const lps_done *done, uint8_t *out);
size_t lps_status_encode(const lps_status_report *report, uint8_t *out);
size_t lps_info_encode(const lps_info *info, uint8_t *out);

/* Writes the LPS_ADVERTISEMENT_B bytes of the advertisement of this device. */
size_t lps_advertisement_encode(const uint8_t *device_id, uint8_t *out);

#endif
