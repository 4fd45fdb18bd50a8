/* The C core without an operating system: for a Cortex-M4, and natively to compare with. One entry, so that an emulator needs no
 * symbols: kind 0 frame, 1 mini frame, 2 control request: decodes `length` bytes from `in`, writes what they encode back to (a
 * request: op and tag) to `out` and gives length << 8 | lps_reject. kind 3: a whole session of a sensor; gives a CRC of all sent. */
#include "lps_core.h"

enum { BLOCKS = 8, SAMPLES = 4000 };

static uint8_t store[BLOCKS][LPS_BLOCK_B];
static lps_block blocks[BLOCKS];
static lps_core core;
static uint64_t ticks;
static uint16_t crc;
static uint32_t sent;

static const lps_config CONFIGS[] = {
    {1, 1, 52000, 8196.75f, 57.125f, 4, 500},
    {2, 4, 13000, 8196.75f, 57.125f, 4, 500},
};

static uint64_t hal_ticks(void *context) {
    (void)context;
    return ticks;
}

static uint32_t hal_random(void *context) {
    (void)context;
    return 4711;
}

static bool record(const uint8_t *data, size_t length) {
    crc = (uint16_t)(crc ^ lps_crc16(data, length) ^ (uint16_t)(sent & 0xFFFFu));
    sent++;
    return true;
}

static bool hal_notify(void *context, lps_characteristic characteristic, const uint8_t *data, size_t length) {
    (void)context;
    (void)characteristic;
    return record(data, length);
}

static bool hal_indicate(void *context, const uint8_t *data, size_t length) {
    (void)context;
    return record(data, length);
}

static bool hal_read(void *context, uint32_t block, uint32_t offset, uint8_t *data, size_t length) {
    (void)context;
    for (size_t k = 0; k < length; k++) {
        data[k] = store[block][offset + k];
    }
    return true;
}

static bool hal_write(void *context, uint32_t block, uint32_t offset, const uint8_t *data, size_t length) {
    (void)context;
    for (size_t k = 0; k < length; k++) {
        store[block][offset + k] = data[k];
    }
    return true;
}

static bool hal_erase(void *context, uint32_t block) {
    (void)context;
    for (size_t k = 0; k < LPS_BLOCK_B; k++) {
        store[block][k] = 0xFF;
    }
    return true;
}

static bool hal_configure(void *context, const lps_config *config) {
    (void)context;
    return config->id == 1;
}

static void hal_motor(void *context, uint8_t strength_pct, uint32_t on_ms) {
    const uint8_t pulse[2] = {strength_pct, (uint8_t)(on_ms / 10)};
    (void)context;
    (void)record(pulse, sizeof pulse);
}

static void hal_power(void *context, lps_power *power) {
    (void)context;
    *power = (lps_power){3900, 30, 80};
}

static const lps_hal HAL = {
    .ticks = hal_ticks,
    .random = hal_random,
    .notify = hal_notify,
    .indicate = hal_indicate,
    .store_read = hal_read,
    .store_write = hal_write,
    .store_erase = hal_erase,
    .configure = hal_configure,
    .motor = hal_motor,
    .power = hal_power,
};

static void ask(const uint8_t *request, size_t length) {
    (void)lps_control_write(&core, request, length);
    lps_confirmed(&core);
}

static void run(uint32_t count) {
    for (uint32_t k = 0; k < count; k++) {
        const int16_t value = (int16_t)((core.next_index * 7919u) % 20011u);
        const int16_t sample[6] = {value, (int16_t)-value, (int16_t)(8192 - value), 25, -7, (int16_t)(value / 7)};
        ticks += 630;
        lps_sample(&core, sample, ticks);
        lps_poll(&core);
        lps_confirmed(&core);
    }
}

static uint32_t session(void) {
    static const uint8_t ALERT[] = {LPS_OP_LOCAL_ALERT, 1, 40, 5, 0, 0, 0, 0, 0, 0, 32};
    static const uint8_t START[] = {LPS_OP_START, 2, 1};
    static const uint8_t CALIBRATE[] = {LPS_OP_GYRO_CAL, 3, 2};
    static const uint8_t BACKFILL[] = {LPS_OP_BACKFILL, 4, 4711 & 255, 4711 >> 8, 0, 0, 0, 0, 255, 255, 255, 255};
    static const uint8_t SYNC[] = {LPS_OP_TIME_SYNC, 5, 1, 2, 3, 4, 5, 6, 7, 8};
    const lps_settings settings = {{1, 2, 3, 4, 5, 6, 7, 8}, 0x3F, 1, 1, 2, CONFIGS, blocks, BLOCKS};
    uint8_t info[LPS_INFO_MAX_B];
    ticks = 0;
    crc = 0;
    sent = 0;
    if (!lps_init(&core, &HAL, &settings)) {
        return 0;
    }
    lps_connected(&core);
    lps_mtu(&core, 247);
    lps_encrypted(&core, true);
    ask(ALERT, sizeof ALERT);
    ask(START, sizeof START);
    run(SAMPLES);
    lps_disconnected(&core);
    run(SAMPLES);
    lps_connected(&core);
    lps_mtu(&core, 185);
    lps_encrypted(&core, true);
    ask(SYNC, sizeof SYNC);
    ask(CALIBRATE, sizeof CALIBRATE);
    ask(BACKFILL, sizeof BACKFILL);
    run(500);
    (void)record(info, lps_read_info(&core, info));
    (void)record(info, lps_read_status(&core, info));
    return (uint32_t)crc << 16 | sent;
}

uint32_t lps_entry(uint32_t kind, const uint8_t *in, uint32_t length, uint8_t *out);

uint32_t lps_entry(uint32_t kind, const uint8_t *in, uint32_t length, uint8_t *out) {
    static lps_frame frame;
    lps_mini mini;
    lps_request request;
    lps_reject reason;
    uint32_t made = 0;
    switch (kind) {
    case 0:
        reason = lps_frame_decode(in, length, &frame);
        made = reason == LPS_ACCEPTED ? (uint32_t)lps_frame_encode(&frame, out) : 0;
        break;
    case 1:
        reason = lps_mini_decode(in, length, &mini);
        made = reason == LPS_ACCEPTED ? (uint32_t)lps_mini_encode(&mini, out) : 0;
        break;
    case 2:
        reason = lps_request_decode(in, length, &request);
        if (reason == LPS_ACCEPTED) {
            out[0] = request.op;
            out[1] = request.tag;
            made = 2;
        }
        break;
    default:
        return session();
    }
    return made << 8 | (uint32_t)reason;
}
