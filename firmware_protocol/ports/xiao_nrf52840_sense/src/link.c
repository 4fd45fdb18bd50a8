/* GATT table, advertising, pairing. Not built in CI. Zephyr calls the callbacks on its own thread; the core is taken for each. */
#include "port.h"

#include <string.h>
#include <zephyr/bluetooth/bluetooth.h>
#include <zephyr/bluetooth/conn.h>
#include <zephyr/bluetooth/gatt.h>
#include <zephyr/bluetooth/uuid.h>
#include <zephyr/kernel.h>
#include <zephyr/settings/settings.h>

#define UUID_OF(step) BT_UUID_INIT_128(BT_UUID_128_ENCODE(0x6e521d7a + (step), 0x726b, 0x4282, 0x9a43, 0x0f7c638e79e2))

static const struct bt_uuid_128 SERVICE = UUID_OF(0);
static const struct bt_uuid_128 STREAM = UUID_OF(1);
static const struct bt_uuid_128 CONTROL = UUID_OF(2);
static const struct bt_uuid_128 STATUS = UUID_OF(3);
static const struct bt_uuid_128 INFO = UUID_OF(4);
static const struct bt_uuid_128 BACKFILL = UUID_OF(5);

enum { IN_FLIGHT_MAX = CONFIG_BT_ATT_TX_COUNT - 2, LIVE_RESERVE = 2 };

static struct bt_conn *peer;
static atomic_t in_flight;
static struct bt_gatt_indicate_params indication;
static uint8_t indicated[LPS_REPLY_MAX_B];
static uint8_t advertisement[LPS_ADVERTISEMENT_B];

static ssize_t read_status(struct bt_conn *conn, const struct bt_gatt_attr *attr, void *buf, uint16_t len, uint16_t offset) {
    uint8_t value[LPS_STATUS_B];
    const size_t length = lps_read_status(core_take(), value);
    core_give();
    return bt_gatt_attr_read(conn, attr, buf, len, offset, value, (uint16_t)length);
}

static ssize_t read_info(struct bt_conn *conn, const struct bt_gatt_attr *attr, void *buf, uint16_t len, uint16_t offset) {
    uint8_t value[LPS_INFO_MAX_B];
    const size_t length = lps_read_info(core_take(), value);
    core_give();
    return bt_gatt_attr_read(conn, attr, buf, len, offset, value, (uint16_t)length);
}

static ssize_t write_control(struct bt_conn *conn, const struct bt_gatt_attr *attr, const void *buf, uint16_t len,
                             uint16_t offset, uint8_t flags) {
    ARG_UNUSED(conn);
    ARG_UNUSED(attr);
    ARG_UNUSED(flags);
    if (offset != 0) {
        return BT_GATT_ERR(BT_ATT_ERR_INVALID_OFFSET);
    }
    const lps_att error = lps_control_write(core_take(), buf, len);
    core_give();
    return error == LPS_ATT_OK ? len : BT_GATT_ERR(error);
}

#define CCC BT_GATT_CCC(NULL, BT_GATT_PERM_READ_LESC | BT_GATT_PERM_WRITE_LESC)

/* Places of the values: 2 Stream, 5 Control, 8 Status, 11 Info, 13 Backfill; a declaration before each, a CCC after all but Info. */
BT_GATT_SERVICE_DEFINE(
    sensor, BT_GATT_PRIMARY_SERVICE(&SERVICE),
    BT_GATT_CHARACTERISTIC(&STREAM.uuid, BT_GATT_CHRC_NOTIFY, BT_GATT_PERM_NONE, NULL, NULL, NULL), CCC,
    BT_GATT_CHARACTERISTIC(&CONTROL.uuid, BT_GATT_CHRC_WRITE | BT_GATT_CHRC_INDICATE, BT_GATT_PERM_WRITE_LESC, NULL,
                           write_control, NULL), CCC,
    BT_GATT_CHARACTERISTIC(&STATUS.uuid, BT_GATT_CHRC_READ | BT_GATT_CHRC_NOTIFY, BT_GATT_PERM_READ_LESC, read_status, NULL,
                           NULL), CCC,
    BT_GATT_CHARACTERISTIC(&INFO.uuid, BT_GATT_CHRC_READ, BT_GATT_PERM_READ, read_info, NULL, NULL),
    BT_GATT_CHARACTERISTIC(&BACKFILL.uuid, BT_GATT_CHRC_NOTIFY, BT_GATT_PERM_NONE, NULL, NULL, NULL), CCC, );

static const struct bt_gatt_attr *value_of(lps_characteristic characteristic) {
    switch (characteristic) {
    case LPS_CHAR_STREAM:
        return &sensor.attrs[2];
    case LPS_CHAR_CONTROL:
        return &sensor.attrs[5];
    case LPS_CHAR_STATUS:
        return &sensor.attrs[8];
    default:
        return &sensor.attrs[13];
    }
}

static void on_sent(struct bt_conn *conn, void *context) {
    ARG_UNUSED(conn);
    ARG_UNUSED(context);
    atomic_dec(&in_flight);
}

bool link_notify(void *context, lps_characteristic characteristic, const uint8_t *data, size_t length) {
    const struct bt_gatt_attr *attr = value_of(characteristic);
    const int room = characteristic == LPS_CHAR_BACKFILL ? IN_FLIGHT_MAX - LIVE_RESERVE : IN_FLIGHT_MAX;
    struct bt_gatt_notify_params params = {.attr = attr, .data = data, .len = (uint16_t)length, .func = on_sent};
    ARG_UNUSED(context);
    if (peer == NULL || atomic_get(&in_flight) >= room || !bt_gatt_is_subscribed(peer, attr, BT_GATT_CCC_NOTIFY)) {
        return false; /* never waits: Zephyr would, for a buffer */
    }
    atomic_inc(&in_flight);
    if (bt_gatt_notify_cb(peer, &params) != 0) {
        atomic_dec(&in_flight);
        return false;
    }
    return true;
}

static void on_confirmed(struct bt_conn *conn, struct bt_gatt_indicate_params *params, uint8_t error) {
    ARG_UNUSED(conn);
    ARG_UNUSED(params);
    ARG_UNUSED(error);
    lps_confirmed(core_take());
    core_give();
}

bool link_indicate(void *context, const uint8_t *data, size_t length) {
    const struct bt_gatt_attr *attr = value_of(LPS_CHAR_CONTROL);
    ARG_UNUSED(context);
    if (peer == NULL || !bt_gatt_is_subscribed(peer, attr, BT_GATT_CCC_INDICATE)) {
        return false;
    }
    memcpy(indicated, data, length); /* one at a time: the core waits for lps_confirmed */
    indication = (struct bt_gatt_indicate_params){.attr = attr, .func = on_confirmed, .data = indicated, .len = (uint16_t)length};
    return bt_gatt_indicate(peer, &indication) == 0;
}

bool link_set_connection(void *context, const lps_connection *asked) {
    const struct bt_le_conn_param param = {asked->interval_min, asked->interval_max, asked->latency, asked->timeout};
    ARG_UNUSED(context);
    return peer != NULL && bt_conn_le_param_update(peer, &param) == 0;
}

void link_forget_bonds(void *context) {
    ARG_UNUSED(context);
    (void)bt_unpair(BT_ID_DEFAULT, BT_ADDR_LE_ANY); /* ends the link as well */
}

static void advertise(struct k_work *work) {
    /* The core's 31 bytes, as the three parts that they are. */
    const struct bt_data parts[] = {
        {.type = advertisement[1], .data_len = 1, .data = advertisement + 2},
        {.type = advertisement[4], .data_len = 16, .data = advertisement + 5},
        {.type = advertisement[22], .data_len = 8, .data = advertisement + 23},
    };
    ARG_UNUSED(work);
    (void)bt_le_adv_start(BT_LE_ADV_CONN_FAST_2, parts, ARRAY_SIZE(parts), NULL, 0);
}

K_WORK_DEFINE(advertise_work, advertise);

static void on_connected(struct bt_conn *conn, uint8_t error) {
    if (error != 0) {
        k_work_submit(&advertise_work);
        return;
    }
    peer = bt_conn_ref(conn);
    atomic_set(&in_flight, 0);
    lps_connected(core_take());
    core_give();
}

static void on_disconnected(struct bt_conn *conn, uint8_t reason) {
    ARG_UNUSED(reason);
    lps_disconnected(core_take());
    core_give();
    bt_conn_unref(conn);
    peer = NULL;
}

/* The connection object is free again: only now can advertising be connectable. */
static void on_recycled(void) { k_work_submit(&advertise_work); }

static void on_security(struct bt_conn *conn, bt_security_t level, enum bt_security_err error) {
    ARG_UNUSED(conn);
    lps_encrypted(core_take(), error == BT_SECURITY_ERR_SUCCESS && level >= BT_SECURITY_L2);
    core_give();
}

BT_CONN_CB_DEFINE(connection) = {
    .connected = on_connected,
    .disconnected = on_disconnected,
    .recycled = on_recycled,
    .security_changed = on_security,
};

static void on_mtu(struct bt_conn *conn, uint16_t tx, uint16_t rx) {
    ARG_UNUSED(conn);
    lps_mtu(core_take(), MIN(tx, rx));
    core_give();
}

static struct bt_gatt_cb gatt_events = {.att_mtu_updated = on_mtu};

/* Only within 60 s of a press of the button. */
static enum bt_security_err on_pairing(struct bt_conn *conn, const struct bt_conn_pairing_feat *const feat) {
    ARG_UNUSED(conn);
    ARG_UNUSED(feat);
    const bool open = lps_may_pair(core_take());
    core_give();
    return open ? BT_SECURITY_ERR_SUCCESS : BT_SECURITY_ERR_PAIR_NOT_ALLOWED;
}

static void on_cancel(struct bt_conn *conn) { ARG_UNUSED(conn); }

static const struct bt_conn_auth_cb pairing = {.pairing_accept = on_pairing, .cancel = on_cancel};

bool link_init(const uint8_t *device_id) {
    (void)lps_advertisement_encode(device_id, advertisement);
    bt_gatt_cb_register(&gatt_events);
    if (bt_enable(NULL) != 0 || bt_conn_auth_cb_register(&pairing) != 0 || settings_load() != 0) {
        return false;
    }
    k_work_submit(&advertise_work);
    return true;
}
