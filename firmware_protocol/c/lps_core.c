#include "lps_internal.h"

#include "lps_bytes.h"

enum {
    NOTIFICATION_OVERHEAD_B = 3,
    BACKFILL_PER_POLL = 8,
    BONDING_S = 60,
    STATUS_S = 60,
    POWER_S = 10,
    SETTLED_S = 30, /* of streaming in which the host asks for nothing: it has what it wants. Ours */
    LOW_BATTERY_PCT = 15,
    CHARGE_UNKNOWN = 255,
    CHARGE_PCT = 0x7F
};

uint64_t lps_now(const lps_core *core) { return core->hal->ticks(core->hal->context); }
static uint64_t ticks_of_s(uint32_t seconds) { return (uint64_t)seconds * LPS_TICK_HZ; }

const lps_config *lps_config_of(const lps_core *core, uint8_t id) {
    return lps_config_find(core->settings.configs, core->settings.config_count, id);
}

size_t lps_payload_max(const lps_core *core) { return (size_t)core->mtu - NOTIFICATION_OVERHEAD_B; }

uint8_t lps_rows_max(const lps_core *core) {
    uint8_t n = 0;
    while (n < LPS_SAMPLES_MAX && lps_frame_size((uint8_t)(n + 1)) <= lps_payload_max(core)) {
        n++;
    }
    return n;
}

bool lps_may_pair(const lps_core *core) { return core->pressed && lps_now(core) - core->pressed_ticks < ticks_of_s(BONDING_S); }

static uint8_t state_of(const lps_core *core) {
    return (uint8_t)((core->stream.active ? LPS_STATE_STREAMING : 0) | (core->backfill.active ? LPS_STATE_BACKFILLING : 0) |
                     (lps_may_pair(core) ? LPS_STATE_BONDING : 0) | (core->gyro_cal.left > 0 ? LPS_STATE_CALIBRATING : 0));
}

/* ---- samples */

static void live_send(lps_core *core) {
    lps_stream *stream = &core->stream;
    uint8_t data[LPS_FRAME_MAX_B];
    size_t length;
    if (stream->n_max == 0) {
        lps_mini mini = {.flags = stream->frame.flags, .config = stream->frame.config, .index = stream->frame.index & 0xFFFFFFu};
        for (int channel = 0; channel < LPS_CHANNELS; channel++) {
            mini.sample[channel] = stream->frame.samples[0][channel];
        }
        length = lps_mini_encode(&mini, data);
    } else {
        length = lps_frame_encode(&stream->frame, data);
    }
    /* A frame that the link does not take is not kept: the ring has its samples, and the host asks for what it misses. */
    if (!core->hal->notify(core->hal->context, LPS_CHAR_STREAM, data, length)) {
        stream->owing_ticks = lps_now(core);
    }
    stream->frame.n = 0;
}

static void live_row(lps_core *core, uint32_t index, uint32_t ticks, uint8_t flags, const int16_t *row) {
    lps_stream *stream = &core->stream;
    lps_frame *frame = &stream->frame;
    if (frame->n > 0 && index != stream->expected_index) {
        live_send(core);
    }
    if (frame->n == 0) {
        const bool after_gap = index != stream->expected_index;
        frame->kind = LPS_LIVE;
        frame->flags = after_gap ? LPS_FLAG_GAP_BEFORE : 0;
        frame->boot = core->ring.boot;
        frame->config = stream->config;
        frame->index = index;
        frame->ticks = ticks;
    }
    frame->flags |= flags;
    for (int channel = 0; channel < LPS_CHANNELS; channel++) {
        frame->samples[frame->n][channel] = row[channel];
    }
    frame->n++;
    stream->expected_index = index + lps_config_of(core, stream->config)->decimation;
    if (frame->n >= stream->n_max) {
        live_send(core);
    }
}

static void live_add(lps_core *core, uint32_t index, uint32_t ticks, uint8_t flags, const int16_t *sample) {
    lps_stream *stream = &core->stream;
    if (!stream->active) {
        return;
    }
    if (lps_config_of(core, stream->config)->decimation == 1) {
        live_row(core, index, ticks, flags, sample);
        return;
    }
    if (index % LPS_DECIMATION == 0) {
        stream->group_ticks = ticks;
        stream->group_flags = 0;
    }
    stream->group_flags |= flags;
    int16_t row[LPS_CHANNELS];
    if (lps_average_add(&stream->average, index, sample, row)) {
        live_row(core, index - (LPS_DECIMATION - 1), stream->group_ticks, stream->group_flags, row);
    }
}

/* What is streamed at the full rate to a host that is owed nothing older is delivered, and the ring may overwrite it. */
static void settle(lps_core *core, uint64_t ticks) {
    const lps_stream *stream = &core->stream;
    if (stream->active && !core->backfill.active && ticks >= stream->owing_ticks + ticks_of_s(SETTLED_S) &&
        lps_config_of(core, stream->config)->decimation == 1) {
        lps_ring_delivered(&core->ring);
    }
}

static bool clipped(int16_t value) { return value == INT16_MAX || value == INT16_MIN; }

static uint8_t flags_of(const lps_core *core, const int16_t *sample) {
    uint8_t flags = core->condition;
    const uint8_t pct = core->power.charge & CHARGE_PCT;
    if (core->power.charge != CHARGE_UNKNOWN && pct < LOW_BATTERY_PCT) {
        flags |= LPS_FLAG_LOW_BATTERY;
    }
    if (core->time_synced) {
        flags |= LPS_FLAG_TIME_SYNCED;
    }
    for (int channel = 0; channel < LPS_CHANNELS; channel++) {
        if (clipped(sample[channel])) {
            flags |= channel < 3 ? LPS_FLAG_ACC_CLIPPED : LPS_FLAG_GYR_CLIPPED;
        }
    }
    return flags;
}

static void gyro_cal_add(lps_core *core, const int16_t *sample) {
    lps_reply reply = {.op = LPS_OP_GYRO_CAL, .tag = core->gyro_cal.tag, .status = LPS_OK};
    if (lps_gyro_cal_add(&core->gyro_cal, sample, &reply.args.gyro)) {
        lps_post_reply(core, &reply);
    }
}

static void tilt_add(lps_core *core, const int16_t *sample) {
    static const lps_haptic_args NUDGE = {2, 60, 1};
    if (core->connected) {
        lps_tilt_reset(&core->tilt);
        return;
    }
    const uint32_t rate_hz = (lps_config_of(core, core->recording)->rate_mhz + 500u) / 1000u;
    if (lps_tilt_add(&core->tilt, sample, rate_hz)) {
        (void)lps_haptic_play(&core->haptic, core->hal, &NUDGE, lps_now(core));
    }
}

void lps_sample(lps_core *core, const int16_t *sample, uint64_t ticks) {
    const uint32_t index = core->next_index++;
    const uint8_t flags = flags_of(core, sample);
    lps_ring_append(&core->ring, core->recording, index, ticks, sample, flags);
    live_add(core, index, (uint32_t)(ticks & 0xFFFFFFFFu), flags, sample);
    settle(core, ticks);
    gyro_cal_add(core, sample);
    tilt_add(core, sample);
}

void lps_samples(lps_core *core, const int16_t *samples, const uint64_t *ticks, uint32_t count) {
    for (uint32_t k = 0; k < count; k++) {
        lps_sample(core, samples + (size_t)LPS_CHANNELS * k, ticks[k]);
    }
}

void lps_lost(lps_core *core, uint32_t count) {
    if (count == 0) {
        return;
    }
    core->next_index += count;
    lps_ring_lost(&core->ring, count);
    lps_tilt_reset(&core->tilt);
    core->gyro_cal.disturbed = true;
}

void lps_condition(lps_core *core, bool worn, bool moving) {
    core->condition = (uint8_t)((worn ? LPS_FLAG_WORN : 0) | (moving ? LPS_FLAG_MOVING : 0));
}

/* ---- the loop */

static void send_backfill(lps_core *core) {
    for (int k = 0; k < BACKFILL_PER_POLL && core->backfill.active; k++) {
        lps_frame frame;
        uint8_t data[LPS_FRAME_MAX_B];
        const uint8_t n_max = lps_rows_max(core);
        if (n_max == 0 || !lps_backfill_next(&core->backfill, &core->ring, n_max, &frame)) {
            lps_backfill_finish(core);
            return;
        }
        const size_t length = lps_frame_encode(&frame, data);
        if (!core->hal->notify(core->hal->context, LPS_CHAR_BACKFILL, data, length)) {
            return;
        }
        lps_backfill_sent(&core->backfill, &core->ring, &frame);
    }
}

static void send_status(lps_core *core) {
    const uint64_t ticks = lps_now(core);
    const uint8_t state = state_of(core);
    if (!core->encrypted || (state == core->status_state && ticks - core->status_ticks < ticks_of_s(STATUS_S))) {
        return;
    }
    uint8_t data[LPS_STATUS_B];
    (void)core->hal->notify(core->hal->context, LPS_CHAR_STATUS, data, lps_read_status(core, data));
    core->status_state = state;
    core->status_ticks = ticks;
}

void lps_poll(lps_core *core) {
    const uint64_t ticks = lps_now(core);
    if (ticks - core->power_ticks >= ticks_of_s(POWER_S)) {
        core->power_ticks = ticks;
        core->hal->power(core->hal->context, &core->power);
    }
    lps_haptic_poll(&core->haptic, core->hal, ticks);
    lps_act_after(core);
    lps_send_outbox(core);
    send_status(core);
    send_backfill(core);
    lps_send_outbox(core);
}

/* ---- link */

void lps_connected(lps_core *core) {
    core->connected = true;
    core->encrypted = false;
    core->mtu = LPS_MTU_MIN;
}

void lps_mtu(lps_core *core, uint16_t mtu) { core->mtu = mtu < LPS_MTU_MIN ? LPS_MTU_MIN : mtu; }

void lps_encrypted(lps_core *core, bool encrypted) { core->encrypted = encrypted && core->connected; }

void lps_disconnected(lps_core *core) {
    core->connected = false;
    core->encrypted = false;
    core->mtu = LPS_MTU_MIN;
    core->stream.active = false;
    core->backfill.active = false;
    core->gyro_cal.left = 0;
    core->outbox_n = 0;
    core->in_flight = false;
    lps_act_after(core);
}

void lps_button(lps_core *core) {
    core->pressed = true;
    core->pressed_ticks = lps_now(core);
}

/* ---- readable values */

size_t lps_read_status(const lps_core *core, uint8_t *out) {
    const lps_range range = lps_ring_range(&core->ring, core->ring.boot);
    const lps_status_report report = {
        .boot = core->ring.boot,
        .config = core->recording,
        .state = state_of(core),
        .reset_reason = core->settings.reset_reason,
        .end_index = range.to_index,
        .oldest_index = range.from_index,
        .dropped = core->ring.dropped,
        .battery_mv = core->power.battery_mv,
        .temperature_degc = core->power.temperature_degc,
        .charge = core->power.charge,
    };
    return lps_status_encode(&report, out);
}

size_t lps_read_info(const lps_core *core, uint8_t *out) {
    lps_info info = {
        .samples_max = LPS_SAMPLES_MAX,
        .tick_hz = LPS_TICK_HZ,
        .features = core->settings.features,
        .ring_capacity = lps_ring_capacity(core->settings.block_count),
        .imu = core->settings.imu,
        .config_count = core->settings.config_count,
        .configs = core->settings.configs,
    };
    lps_put_bytes(info.device_id, core->settings.device_id, sizeof info.device_id);
    return lps_info_encode(&info, out);
}

bool lps_init(lps_core *core, const lps_hal *hal, const lps_settings *settings) {
    *core = (lps_core){.hal = hal, .settings = *settings, .mtu = LPS_MTU_MIN};
    if (settings->config_count > LPS_CONFIGS_MAX || !lps_ring_mount(&core->ring, hal, settings->configs, settings->config_count,
                                                                    settings->blocks, settings->block_count)) {
        return false;
    }
    /* The mount has proven that a full-rate configuration exists. */
    const lps_config *full = lps_config_full(settings->configs, settings->config_count, &settings->configs[0]);
    core->recording = full->id;
    lps_haptic_init(&core->haptic, lps_now(core));
    hal->power(hal->context, &core->power);
    core->power_ticks = lps_now(core);
    return hal->configure(hal->context, full);
}
