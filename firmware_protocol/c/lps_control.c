#include "lps_internal.h"

#include "lps_bytes.h"

enum {
    LIVE_SPAN_MHZ = 10400, /* rows of a live frame = rate / 10.4 Hz: 96 ms at 52 Hz */
    MINI_RATE_MAX_MHZ = 13000,
    OUTBOX_RESERVED = 2, /* for DONE and the late reply to GYRO_CAL */
    IDENTIFY_MS = 5000
};

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

void lps_post_reply(lps_core *core, const lps_reply *reply) {
    uint8_t data[LPS_REPLY_MAX_B];
    post(core, data, lps_reply_encode(reply, data));
}

/* A reply to TIME_SYNC says when it was handed over, however long it waited. */
static void stamp(const lps_core *core, lps_message *message) {
    if (message->length == LPS_REPLY_MAX_B && message->data[1] == LPS_OP_TIME_SYNC) {
        lps_put64(message->data + LPS_REPLY_MAX_B - 8, lps_now(core));
    }
}

void lps_send_outbox(lps_core *core) {
    if (core->outbox_n == 0 || core->in_flight) {
        return;
    }
    lps_message *message = &core->outbox[core->outbox_first];
    stamp(core, message);
    core->in_flight = core->hal->indicate(core->hal->context, message->data, message->length);
}

void lps_act_after(lps_core *core) {
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
    lps_act_after(core);
    lps_send_outbox(core);
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
    const uint8_t fit = lps_rows_max(core);
    const uint32_t wanted = config->rate_mhz / LIVE_SPAN_MHZ;
    *n = (uint8_t)(wanted < 1 ? 1 : (wanted < fit ? wanted : fit));
    if (fit == 0) {
        *n = 0;
        return config->rate_mhz <= MINI_RATE_MAX_MHZ;
    }
    return true;
}

static void stream_begin(lps_core *core, const lps_config *config, uint8_t n) {
    core->stream = (lps_stream){.active = true, .config = config->id, .n_max = n, .owing_ticks = lps_now(core)};
    const uint32_t ahead = (config->decimation - core->next_index % config->decimation) % config->decimation;
    core->stream.expected_index = core->next_index + ahead;
}

static lps_status start(lps_core *core, const lps_request *request, lps_reply *reply) {
    const lps_config *config = lps_config_of(core, request->args.config);
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
    if (lps_payload_max(core) < LPS_REPLY_MAX_B) {
        return LPS_MTU;
    }
    reply->args.time = (lps_time_reply){request->args.t1, lps_now(core), 0};
    return LPS_OK;
}

static lps_status set_epoch(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)reply;
    if (request->args.set_epoch.ticks > lps_now(core)) {
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
    lps_gyro_cal_begin(&core->gyro_cal, request->tag, request->args.duration_s, lps_config_of(core, core->recording));
    return LPS_OK;
}

static lps_status haptic(lps_core *core, const lps_request *request, lps_reply *reply) {
    const lps_status status = lps_haptic_play(&core->haptic, core->hal, &request->args.haptic, lps_now(core));
    reply->args.budget_ms = lps_haptic_budget_ms(&core->haptic);
    return status;
}

static lps_status backfill(lps_core *core, const lps_request *request, lps_reply *reply) {
    const lps_backfill_args *asked = &request->args.backfill;
    if (core->backfill.active) {
        return LPS_BUSY;
    }
    if (lps_rows_max(core) == 0) {
        return LPS_MTU;
    }
    reply->args.range = lps_ring_range(&core->ring, asked->boot);
    if (asked->from_index >= reply->args.range.to_index || asked->to_index <= reply->args.range.from_index) {
        return LPS_NOT_STORED;
    }
    lps_backfill_begin(&core->backfill, asked, reply->args.range.to_index);
    return LPS_OK;
}

void lps_backfill_finish(lps_core *core) {
    uint8_t data[LPS_REPLY_MAX_B];
    const lps_done done = lps_backfill_end(&core->backfill);
    core->stream.owing_ticks = lps_now(core);
    post(core, data, lps_done_encode(&done, data));
}

static lps_status backfill_cancel(lps_core *core, const lps_request *request, lps_reply *reply) {
    (void)request;
    (void)reply;
    if (!core->backfill.active) {
        return LPS_STATE;
    }
    lps_backfill_finish(core);
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
        lps_post_reply(core, &reply);
    }
    lps_send_outbox(core);
    return LPS_ATT_OK;
}
