#include "lps_core.h"

#include "lps_bytes.h"

enum {
    NOTIFICATION_OVERHEAD_B = 3,
    LIVE_SPAN_MHZ = 10400,    /* rows of a live frame = rate / 10.4 Hz: 96 ms at 52 Hz */
    MINI_RATE_MAX_MHZ = 13000,
    OUTBOX_RESERVED = 2,      /* for DONE and the late reply to GYRO_CAL */
    BACKFILL_PER_POLL = 8,
    BONDING_S = 60,
    STATUS_S = 60,
    POWER_S = 10,
    IDENTIFY_MS = 5000,
    LOW_BATTERY_PCT = 15,
    CHARGE_UNKNOWN = 255,
    CHARGE_PCT = 0x7F
};

static uint64_t now(const lps_core *core) { return core->hal->ticks(core->hal->context); }
static uint64_t ticks_of_s(uint32_t seconds) { return (uint64_t)seconds * LPS_TICK_HZ; }

static const lps_config *config_of(const lps_core *core, uint8_t id) {
    return lps_config_find(core->settings.configs, core->settings.config_count, id);
}

static size_t payload_max(const lps_core *core) { return (size_t)core->mtu - NOTIFICATION_OVERHEAD_B; }

/* Rows that a frame may have on this link; 0: not one fits. */
static uint8_t rows_max(const lps_core *core) {
    uint8_t n = 0;
    while (n < LPS_SAMPLES_MAX && lps_frame_size((uint8_t)(n + 1)) <= payload_max(core)) {
        n++;
    }
    return n;
}

bool lps_may_pair(const lps_core *core) { return core->pressed && now(core) - core->pressed_ticks < ticks_of_s(BONDING_S); }

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
    (void)core->hal->notify(core->hal->context, LPS_CHAR_STREAM, data, length);
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
    stream->expected_index = index + config_of(core, stream->config)->decimation;
    if (frame->n >= stream->n_max) {
        live_send(core);
    }
}

static void live_add(lps_core *core, uint32_t index, uint32_t ticks, uint8_t flags, const int16_t *sample) {
    lps_stream *stream = &core->stream;
    if (!stream->active) {
        return;
    }
    if (config_of(core, stream->config)->decimation == 1) {
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

static void post_reply(lps_core *core, const lps_reply *reply);

static void gyro_cal_add(lps_core *core, const int16_t *sample) {
    lps_reply reply = {.op = LPS_OP_GYRO_CAL, .tag = core->gyro_cal.tag, .status = LPS_OK};
    if (lps_gyro_cal_add(&core->gyro_cal, sample, &reply.args.gyro)) {
        post_reply(core, &reply);
    }
}

static void tilt_add(lps_core *core, const int16_t *sample) {
    static const lps_haptic_args NUDGE = {2, 60, 1};
    if (core->connected) {
        lps_tilt_reset(&core->tilt);
        return;
    }
    const uint32_t rate_hz = (config_of(core, core->recording)->rate_mhz + 500u) / 1000u;
    if (lps_tilt_add(&core->tilt, sample, rate_hz)) {
        (void)lps_haptic_play(&core->haptic, core->hal, &NUDGE, now(core));
    }
}

void lps_sample(lps_core *core, const int16_t *sample, uint64_t ticks) {
    const uint32_t index = core->next_index++;
    const uint8_t flags = flags_of(core, sample);
    lps_ring_append(&core->ring, core->recording, index, ticks, sample, flags);
    live_add(core, index, (uint32_t)(ticks & 0xFFFFFFFFu), flags, sample);
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

/* ---- indications */

static void post(lps_core *core, const uint8_t *data, size_t length) {
    if (core->outbox_n == LPS_OUTBOX_N) {
        return; /* lps_control_write keeps places free for what comes late, so this is not reached */
    }
    lps_message *message = &core->outbox[(core->outbox_first + core->outbox_n) % LPS_OUTBOX_N];
    message->length = (uint8_t)length;
    lps_put_bytes(message->data, data, length);
    core->outbox_n++;
}

static void post_reply(lps_core *core, const lps_reply *reply) {
    uint8_t data[LPS_REPLY_MAX_B];
    post(core, data, lps_reply_encode(reply, data));
}

/* A reply to TIME_SYNC says when it was handed over, however long it waited. */
static void stamp(const lps_core *core, lps_message *message) {
    if (message->length == LPS_REPLY_MAX_B && message->data[1] == LPS_OP_TIME_SYNC) {
        lps_put64(message->data + LPS_REPLY_MAX_B - 8, now(core));
    }
}

static void send_outbox(lps_core *core) {
    if (core->outbox_n == 0 || core->in_flight) {
        return;
    }
    lps_message *message = &core->outbox[core->outbox_first];
    stamp(core, message);
    core->in_flight = core->hal->indicate(core->hal->context, message->data, message->length);
}

/* FORGET_BONDS and REBOOT take effect when their reply has arrived, or nobody is there to read it. */
static void act_after(lps_core *core) {
    const lps_after after = core->after;
    if (after == LPS_AFTER_NOTHING || core->outbox_n > 0) {
        return;
    }
    core->after = LPS_AFTER_NOTHING;
    if (after == LPS_AFTER_FORGET_BONDS) {
        core->hal->forget_bonds(core->hal->context);
    } else {
        lps_ring_flush(&core->ring);
        core->hal->reboot(core->hal->context);
    }
}

void lps_confirmed(lps_core *core) {
    if (!core->in_flight) {
        return;
    }
    core->in_flight = false;
    core->outbox_first = (uint8_t)((core->outbox_first + 1) % LPS_OUTBOX_N);
    core->outbox_n--;
    act_after(core);
    send_outbox(core);
}

/* ---- control point: one function per op; each gives the status and fills the arguments of the reply */

static lps_status get_configs(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)request;
    lps_configs_reply *configs = &reply->args.configs;
    configs->recording = core->recording;
    configs->count = core->settings.config_count;
    for (uint8_t k = 0; k < LPS_CONFIGS_MAX; k++) {
        configs->ids[k] = k < configs->count ? core->settings.configs[k].id : LPS_NO_CONFIG;
    }
    return LPS_OK;
}

/* Rows of a live frame; 0: mini frames. false: the link is too narrow for this configuration. */
static bool live_rows(const lps_core *core, const lps_config *config, uint8_t *n) {
    const uint8_t fit = rows_max(core);
    const uint32_t wanted = config->rate_mhz / LIVE_SPAN_MHZ;
    *n = (uint8_t)(wanted < 1 ? 1 : (wanted < fit ? wanted : fit));
    if (fit == 0) {
        *n = 0;
        return config->rate_mhz <= MINI_RATE_MAX_MHZ;
    }
    return true;
}

static void stream_begin(lps_core *core, const lps_config *config, uint8_t n) {
    core->stream = (lps_stream){.active = true, .config = config->id, .n_max = n};
    const uint32_t ahead = (config->decimation - core->next_index % config->decimation) % config->decimation;
    core->stream.expected_index = core->next_index + ahead;
}

static lps_status start(lps_core *core, const lps_request *request, lps_reply *reply) {
    const lps_config *config = config_of(core, request->args.config);
    if (config == NULL) {
        return LPS_BAD_ARG;
    }
    uint8_t n;
    if (!live_rows(core, config, &n)) {
        return LPS_MTU;
    }
    const lps_config *full = lps_config_full(core->settings.configs, core->settings.config_count, config);
    if (full->id != core->recording) {
        if (core->gyro_cal.left > 0) {
            return LPS_BUSY;
        }
        if (!core->hal->configure(core->hal->context, full)) {
            return LPS_STATE;
        }
        core->recording = full->id;
        lps_tilt_reset(&core->tilt);
    }
    stream_begin(core, config, n);
    reply->args.start = (lps_start_reply){config->id, n, core->next_index};
    return LPS_OK;
}

static lps_status stop(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)request;
    (void)reply;
    core->stream.active = false;
    return LPS_OK;
}

static lps_status time_sync(lps_core *core, const lps_request *request, lps_reply *reply) {
    if (payload_max(core) < LPS_REPLY_MAX_B) {
        return LPS_MTU;
    }
    reply->args.time = (lps_time_reply){request->args.t1, now(core), 0};
    return LPS_OK;
}

static lps_status set_epoch(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)reply;
    if (request->args.set_epoch.ticks > now(core)) {
        return LPS_BAD_ARG;
    }
    core->time_synced = true;
    return LPS_OK;
}

static lps_status gyro_cal(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)reply;
    if (core->gyro_cal.left > 0) {
        return LPS_BUSY;
    }
    lps_gyro_cal_begin(&core->gyro_cal, request->tag, request->args.duration_s, config_of(core, core->recording));
    return LPS_OK;
}

static lps_status haptic(lps_core *core, const lps_request *request, lps_reply *reply) {
    const lps_status status = lps_haptic_play(&core->haptic, core->hal, &request->args.haptic, now(core));
    reply->args.budget_ms = lps_haptic_budget_ms(&core->haptic);
    return status;
}

static lps_status backfill(lps_core *core, const lps_request *request, lps_reply *reply) {
    const lps_backfill_args *asked = &request->args.backfill;
    if (core->backfill.active) {
        return LPS_BUSY;
    }
    if (rows_max(core) == 0) {
        return LPS_MTU;
    }
    reply->args.range = lps_ring_range(&core->ring, asked->boot);
    if (asked->from_index >= reply->args.range.to_index || asked->to_index <= reply->args.range.from_index) {
        return LPS_NOT_STORED;
    }
    lps_backfill_begin(&core->backfill, asked, reply->args.range.to_index);
    return LPS_OK;
}

static void backfill_end(lps_core *core) {
    uint8_t data[LPS_REPLY_MAX_B];
    const lps_done done = lps_backfill_end(&core->backfill);
    post(core, data, lps_done_encode(&done, data));
}

static lps_status backfill_cancel(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)request;
    (void)reply;
    if (!core->backfill.active) {
        return LPS_STATE;
    }
    backfill_end(core);
    return LPS_OK;
}

static lps_status set_conn(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)reply;
    return core->hal->set_connection(core->hal->context, &request->args.connection) ? LPS_OK : LPS_STATE;
}

static lps_status identify(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)request;
    (void)reply;
    core->hal->led(core->hal->context, IDENTIFY_MS);
    return LPS_OK;
}

static lps_status self_test(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)request;
    if (core->stream.active || core->backfill.active || core->gyro_cal.left > 0) {
        return LPS_STATE;
    }
    reply->args.self_test = (lps_self_test_reply){0, 0};
    core->hal->self_test(core->hal->context, &reply->args.self_test.tested, &reply->args.self_test.failed);
    return LPS_OK;
}

static lps_status local_alert(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)reply;
    lps_tilt_begin(&core->tilt, &request->args.local_alert);
    return LPS_OK;
}

static lps_status forget_bonds(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)request;
    (void)reply;
    if (!lps_may_pair(core)) {
        return LPS_AUTH;
    }
    core->after = LPS_AFTER_FORGET_BONDS;
    return LPS_OK;
}

static lps_status reboot(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)request;
    (void)reply;
    core->after = LPS_AFTER_REBOOT;
    return LPS_OK;
}

static lps_status list_boots(lps_core *core, const lps_request *request, lps_reply *reply) {
    uint16_t boot = 0;
    const uint8_t count = lps_ring_boots(&core->ring, request->args.skip, &boot);
    if (request->args.skip >= count) {
        return LPS_BAD_ARG;
    }
    reply->args.boots = (lps_boots_reply){count, boot, lps_ring_range(&core->ring, boot)};
    return LPS_OK;
}

typedef lps_status (*lps_handler)(lps_core *, const lps_request *, lps_reply *);

/* needs: feature without which the op does not exist; 0: none. */
static const struct {
    lps_handler handle;
    uint32_t needs;
} OPS[LPS_OP_END] = {
    {NULL, 0},
    {get_configs, 0},
    {start, 0},
    {stop, 0},
    {time_sync, 0},
    {set_epoch, 0},
    {gyro_cal, 0},
    {haptic, LPS_FEATURE_HAPTIC},
    {backfill, 0},
    {backfill_cancel, 0},
    {set_conn, 0},
    {identify, LPS_FEATURE_LED},
    {self_test, 0},
    {local_alert, LPS_FEATURE_LOCAL_ALERT},
    {forget_bonds, LPS_FEATURE_BUTTON},
    {reboot, 0},
    {list_boots, 0},
};

static lps_status handle(lps_core *core, lps_reject reason, const lps_request *request, lps_reply *reply) {
    if (reason == LPS_REJECT_TYPE || (OPS[request->op].needs & ~core->settings.features) != 0) {
        return LPS_UNKNOWN_OP;
    }
    return reason == LPS_ACCEPTED ? OPS[request->op].handle(core, request, reply) : LPS_BAD_ARG;
}

lps_att lps_control_write(lps_core *core, const uint8_t *data, size_t length) {
    if (!core->encrypted) {
        return LPS_ATT_INSUFFICIENT_ENCRYPTION;
    }
    if (length < 2) {
        return LPS_ATT_INVALID_LENGTH;
    }
    if (core->outbox_n >= LPS_OUTBOX_N - OUTBOX_RESERVED || core->after != LPS_AFTER_NOTHING) {
        return LPS_ATT_IN_PROGRESS;
    }
    lps_request request = {0};
    lps_reply reply = {0};
    const lps_reject reason = lps_request_decode(data, length, &request);
    reply.op = request.op;
    reply.tag = request.tag;
    reply.status = (uint8_t)handle(core, reason, &request, &reply);
    const bool answered_later = reply.op == LPS_OP_GYRO_CAL && reply.status == LPS_OK;
    if (!answered_later) {
        post_reply(core, &reply);
    }
    send_outbox(core);
    return LPS_ATT_OK;
}

/* ---- the loop */

static void send_backfill(lps_core *core) {
    for (int k = 0; k < BACKFILL_PER_POLL && core->backfill.active; k++) {
        lps_frame frame;
        uint8_t data[LPS_FRAME_MAX_B];
        const uint8_t n_max = rows_max(core);
        if (n_max == 0 || !lps_backfill_next(&core->backfill, &core->ring, n_max, &frame)) {
            backfill_end(core);
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
    const uint64_t ticks = now(core);
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
    const uint64_t ticks = now(core);
    if (ticks - core->power_ticks >= ticks_of_s(POWER_S)) {
        core->power_ticks = ticks;
        core->hal->power(core->hal->context, &core->power);
    }
    lps_haptic_poll(&core->haptic, core->hal, ticks);
    act_after(core);
    send_outbox(core);
    send_status(core);
    send_backfill(core);
    send_outbox(core);
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
    act_after(core);
}

void lps_button(lps_core *core) {
    core->pressed = true;
    core->pressed_ticks = now(core);
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
    lps_haptic_init(&core->haptic, now(core));
    hal->power(hal->context, &core->power);
    core->power_ticks = now(core);
    return hal->configure(hal->context, full);
}
