#include "lps_codec.h"

#include "lps_bytes.h"

enum { HEADER_B = 14, SAMPLE_B = 12, CRC_B = 2, REPLY = 0x80, DONE = 0x81 };

uint16_t lps_crc16(const uint8_t *data, size_t length) {
    uint32_t crc = 0xFFFFu;
    for (size_t k = 0; k < length; k++) {
        /* One byte at a time without a table: the eight shifts of the polynomial folded into three. */
        uint32_t x = ((crc >> 8) ^ data[k]) & 0xFFu;
        x ^= x >> 4;
        crc = ((crc << 8) ^ (x << 12) ^ (x << 5) ^ x) & 0xFFFFu;
    }
    return (uint16_t)crc;
}

size_t lps_frame_size(uint8_t n) { return HEADER_B + (size_t)SAMPLE_B * n + CRC_B; }

static uint8_t *put_sample(uint8_t *to, const int16_t sample[LPS_CHANNELS]) {
    for (int channel = 0; channel < LPS_CHANNELS; channel++) {
        to = lps_put16s(to, sample[channel]);
    }
    return to;
}

static void get_sample(const uint8_t *from, int16_t sample[LPS_CHANNELS]) {
    for (int channel = 0; channel < LPS_CHANNELS; channel++) {
        sample[channel] = lps_get16s(from + 2 * channel);
    }
}

size_t lps_frame_encode(const lps_frame *frame, uint8_t *out) {
    if (frame->n < 1 || frame->n > LPS_SAMPLES_MAX) {
        return 0;
    }
    uint8_t *to = lps_put8(out, LPS_VERSION << 4 | (uint32_t)frame->kind);
    to = lps_put8(to, frame->flags);
    to = lps_put16(to, frame->boot);
    to = lps_put32(to, frame->index);
    to = lps_put32(to, frame->ticks);
    to = lps_put8(to, frame->n);
    to = lps_put8(to, frame->config);
    for (uint8_t k = 0; k < frame->n; k++) {
        to = put_sample(to, frame->samples[k]);
    }
    lps_put16(to, lps_crc16(out, lps_frame_size(frame->n) - CRC_B));
    return lps_frame_size(frame->n);
}

static lps_reject frame_check(const uint8_t *data, size_t length) {
    if (length == 0) {
        return LPS_REJECT_LENGTH;
    }
    if (data[0] >> 4 != LPS_VERSION) {
        return LPS_REJECT_VERSION;
    }
    if ((data[0] & 0x0F) != LPS_LIVE && (data[0] & 0x0F) != LPS_BACKFILL) {
        return LPS_REJECT_TYPE;
    }
    if (length < HEADER_B + CRC_B) {
        return LPS_REJECT_LENGTH;
    }
    if (data[12] < 1 || data[12] > LPS_SAMPLES_MAX) {
        return LPS_REJECT_COUNT;
    }
    if (length != lps_frame_size(data[12])) {
        return LPS_REJECT_LENGTH;
    }
    if (lps_crc16(data, length - CRC_B) != lps_get16(data + length - CRC_B)) {
        return LPS_REJECT_CRC;
    }
    return LPS_ACCEPTED;
}

lps_reject lps_frame_decode(const uint8_t *data, size_t length, lps_frame *frame) {
    const lps_reject reason = frame_check(data, length);
    if (reason != LPS_ACCEPTED) {
        return reason;
    }
    frame->kind = data[0] & 0x0F;
    frame->flags = data[1];
    frame->boot = lps_get16(data + 2);
    frame->index = lps_get32(data + 4);
    frame->ticks = lps_get32(data + 8);
    frame->n = data[12];
    frame->config = data[13];
    for (size_t k = 0; k < frame->n; k++) {
        get_sample(data + HEADER_B + SAMPLE_B * k, frame->samples[k]);
    }
    return LPS_ACCEPTED;
}

size_t lps_mini_encode(const lps_mini *mini, uint8_t *out) {
    uint8_t *to = lps_put8(out, LPS_VERSION << 4 | LPS_MINI);
    to = lps_put8(to, mini->flags);
    to = lps_put8(to, mini->config);
    to = lps_put16(to, mini->index);
    to = lps_put8(to, mini->index >> 16);
    put_sample(to, mini->sample);
    return LPS_MINI_B;
}

lps_reject lps_mini_decode(const uint8_t *data, size_t length, lps_mini *mini) {
    if (length == 0) {
        return LPS_REJECT_LENGTH;
    }
    if (data[0] >> 4 != LPS_VERSION) {
        return LPS_REJECT_VERSION;
    }
    if ((data[0] & 0x0F) != LPS_MINI) {
        return LPS_REJECT_TYPE;
    }
    if (length != LPS_MINI_B) {
        return LPS_REJECT_LENGTH;
    }
    mini->flags = data[1];
    mini->config = data[2];
    mini->index = (uint32_t)lps_get16(data + 3) | (uint32_t)data[5] << 16;
    get_sample(data + 6, mini->sample);
    return LPS_ACCEPTED;
}

/* Bytes of the arguments of each op, by its number. */
static const uint8_t ARGUMENT_B[LPS_OP_END] = {0, 0, 1, 0, 8, 16, 1, 3, 10, 0, 8, 0, 0, 9, 0, 0, 1};

static const uint16_t HAPTIC_ON_MS[] = {0, 100, 400, 200, 300};
enum { HAPTIC_PATTERNS = 5, HAPTIC_ON_MAX_MS = 2000, UP_MIN = 256 };

uint32_t lps_haptic_on_ms(uint8_t pattern) { return pattern < HAPTIC_PATTERNS ? HAPTIC_ON_MS[pattern] : 0; }

static bool haptic_allowed(const lps_haptic_args *haptic) {
    return haptic->pattern < HAPTIC_PATTERNS && haptic->strength_pct >= 1 && haptic->strength_pct <= 100 && haptic->repeats >= 1 &&
           haptic->repeats <= 20 && lps_haptic_on_ms(haptic->pattern) * haptic->repeats <= HAPTIC_ON_MAX_MS;
}

static bool connection_allowed(const lps_connection *asked) {
    const uint32_t silence = 2u * (1u + asked->latency) * asked->interval_max; /* 1.25 ms; a timeout's 10 ms are eight */
    return asked->interval_min >= 6 && asked->interval_min <= asked->interval_max && asked->interval_max <= 800 &&
           asked->latency <= 30 && asked->timeout >= 100 && asked->timeout <= 3200 && 8u * asked->timeout > silence;
}

static int64_t squared(int16_t value) { return (int64_t)value * value; }

static bool local_alert_allowed(const lps_local_alert_args *alert) {
    if (alert->hold_s < 1 || alert->hold_s > 600 || alert->angle_deg > 80) {
        return false;
    }
    const int64_t length2 = squared(alert->up[0]) + squared(alert->up[1]) + squared(alert->up[2]);
    return alert->angle_deg == 0 || (alert->angle_deg >= 10 && length2 >= (int64_t)UP_MIN * UP_MIN);
}

lps_reject lps_request_decode(const uint8_t *data, size_t length, lps_request *request) {
    if (length < 2) {
        return LPS_REJECT_LENGTH;
    }
    request->op = data[0];
    request->tag = data[1];
    if (request->op < LPS_OP_GET_CONFIGS || request->op >= LPS_OP_END) {
        return LPS_REJECT_TYPE;
    }
    if (length != (size_t)2 + ARGUMENT_B[request->op]) {
        return LPS_REJECT_LENGTH;
    }
    const uint8_t *from = data + 2;
    bool allowed = true;
    switch (request->op) {
    case LPS_OP_START:
        request->args.config = from[0];
        break;
    case LPS_OP_TIME_SYNC:
        request->args.t1 = lps_get64(from);
        break;
    case LPS_OP_SET_EPOCH:
        request->args.set_epoch.unix_us = lps_get64(from);
        request->args.set_epoch.ticks = lps_get64(from + 8);
        break;
    case LPS_OP_GYRO_CAL:
        request->args.duration_s = from[0];
        allowed = from[0] >= 1 && from[0] <= 10;
        break;
    case LPS_OP_HAPTIC:
        request->args.haptic.pattern = from[0];
        request->args.haptic.strength_pct = from[1];
        request->args.haptic.repeats = from[2];
        allowed = haptic_allowed(&request->args.haptic);
        break;
    case LPS_OP_BACKFILL:
        request->args.backfill.boot = lps_get16(from);
        request->args.backfill.from_index = lps_get32(from + 2);
        request->args.backfill.to_index = lps_get32(from + 6);
        allowed = request->args.backfill.from_index < request->args.backfill.to_index;
        break;
    case LPS_OP_SET_CONN:
        request->args.connection.interval_min = lps_get16(from);
        request->args.connection.interval_max = lps_get16(from + 2);
        request->args.connection.latency = lps_get16(from + 4);
        request->args.connection.timeout = lps_get16(from + 6);
        allowed = connection_allowed(&request->args.connection);
        break;
    case LPS_OP_LOCAL_ALERT:
        request->args.local_alert.angle_deg = from[0];
        request->args.local_alert.hold_s = lps_get16(from + 1);
        for (int axis = 0; axis < 3; axis++) {
            request->args.local_alert.up[axis] = lps_get16s(from + 3 + 2 * axis);
        }
        allowed = local_alert_allowed(&request->args.local_alert);
        break;
    case LPS_OP_LIST_BOOTS:
        request->args.skip = from[0];
        break;
    default: /* no arguments */
        break;
    }
    return allowed ? LPS_ACCEPTED : LPS_REJECT_VALUE;
}

static uint8_t *put_range(uint8_t *to, const lps_range *range) {
    return lps_put32(lps_put32(to, range->from_index), range->to_index);
}

static uint8_t *put_reply_args(uint8_t *to, const lps_reply *reply) {
    switch (reply->op) {
    case LPS_OP_GET_CONFIGS:
        to = lps_put8(to, reply->args.configs.recording);
        to = lps_put8(to, reply->args.configs.count);
        return lps_put_bytes(to, reply->args.configs.ids, LPS_CONFIGS_MAX);
    case LPS_OP_START:
        to = lps_put8(to, reply->args.start.config);
        to = lps_put8(to, reply->args.start.n);
        return lps_put32(to, reply->args.start.index);
    case LPS_OP_TIME_SYNC:
        to = lps_put64(to, reply->args.time.t1);
        to = lps_put64(to, reply->args.time.t2);
        return lps_put64(to, reply->args.time.t3);
    case LPS_OP_GYRO_CAL:
        for (int axis = 0; axis < 3; axis++) {
            to = lps_put16s(to, reply->args.gyro.bias[axis]);
        }
        return lps_put8(to, reply->args.gyro.still);
    case LPS_OP_HAPTIC:
        return lps_put16(to, reply->args.budget_ms);
    case LPS_OP_BACKFILL:
        return put_range(to, &reply->args.range);
    case LPS_OP_SELF_TEST:
        to = lps_put16(to, reply->args.self_test.tested);
        return lps_put16(to, reply->args.self_test.failed);
    case LPS_OP_LIST_BOOTS:
        to = lps_put8(to, reply->args.boots.count);
        to = lps_put16(to, reply->args.boots.boot);
        return put_range(to, &reply->args.boots.range);
    default:
        return to;
    }
}

size_t lps_reply_encode(const lps_reply *reply, uint8_t *out) {
    uint8_t *to = lps_put8(out, REPLY);
    to = lps_put8(to, reply->op);
    to = lps_put8(to, reply->tag);
    to = lps_put8(to, reply->status);
    if (reply->status == LPS_NOT_STORED) {
        to = put_range(to, &reply->args.range);
    } else if (reply->status == LPS_OK) {
        to = put_reply_args(to, reply);
    }
    return (size_t)(to - out);
}

size_t lps_done_encode(const lps_done *done, uint8_t *out) {
    uint8_t *to = lps_put8(out, DONE);
    to = lps_put16(to, done->boot);
    to = lps_put32(to, done->from_index);
    to = lps_put32(to, done->to_index);
    to = lps_put32(to, done->sent);
    to = lps_put32(to, done->missing);
    return (size_t)(to - out);
}

size_t lps_status_encode(const lps_status_report *report, uint8_t *out) {
    uint8_t *to = lps_put16(out, report->boot);
    to = lps_put8(to, report->config);
    to = lps_put8(to, (uint32_t)report->reset_reason << 4 | (report->state & 0x0Fu));
    to = lps_put32(to, report->end_index);
    to = lps_put32(to, report->oldest_index);
    to = lps_put32(to, report->dropped);
    to = lps_put16(to, report->battery_mv);
    to = lps_put8(to, (uint32_t)(uint8_t)report->temperature_degc);
    to = lps_put8(to, report->charge);
    return (size_t)(to - out);
}

static uint8_t *put_config(uint8_t *to, const lps_config *config) {
    to = lps_put8(to, config->id);
    to = lps_put32(to, config->rate_mhz);
    to = lps_put8(to, config->decimation);
    to = lps_put_float(to, config->acc_lsb_per_g);
    to = lps_put_float(to, config->gyr_lsb_per_dps);
    to = lps_put16(to, config->acc_range_g);
    return lps_put16(to, config->gyr_range_dps);
}

size_t lps_info_encode(const lps_info *info, uint8_t *out) {
    const uint8_t count = info->config_count < LPS_CONFIGS_MAX ? info->config_count : LPS_CONFIGS_MAX;
    uint8_t *to = lps_put8(out, LPS_VERSION);
    to = lps_put8(to, LPS_MINOR);
    to = lps_put8(to, info->samples_max);
    to = lps_put32(to, info->tick_hz);
    to = lps_put32(to, info->features);
    to = lps_put_bytes(to, info->device_id, sizeof info->device_id);
    to = lps_put32(to, info->ring_capacity);
    to = lps_put16(to, info->imu);
    to = lps_put8(to, count);
    for (uint8_t k = 0; k < count; k++) {
        to = put_config(to, &info->configs[k]);
    }
    return (size_t)(to - out);
}

static uint8_t hex_digit(uint32_t value) { return (uint8_t)(value < 10 ? '0' + value : 'A' + (value - 10)); }

size_t lps_advertisement_encode(const uint8_t *device_id, uint8_t *out) {
    /* Flags; complete list of 128-bit UUIDs: the service, low byte first; shortened name. PROTOCOL.md section 2. */
    static const uint8_t HEAD[27] = {2,    0x01, 0x06, 17,   0x07, 0xE2, 0x79, 0x8E, 0x63, 0x7C, 0x0F, 0x43, 0x9A, 0x82,
                                     0x42, 0x6B, 0x72, 0x7A, 0x1D, 0x52, 0x6E, 9,    0x08, 'L',  'P',  'S',  '-'};
    uint8_t *to = lps_put_bytes(out, HEAD, sizeof HEAD);
    for (int k = 6; k < 8; k++) {
        to = lps_put8(to, hex_digit(device_id[k] >> 4));
        to = lps_put8(to, hex_digit(device_id[k] & 0x0Fu));
    }
    return (size_t)(to - out);
}
