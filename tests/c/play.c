/* Plays bytes to the C core under the compiler's sanitizers: as messages for the decoders, and as programs of events.
 *
 *   play decode COUNT SEED < messages   COUNT mutations of the messages (a line of hexadecimal each) and random bytes
 *   play program COUNT SEED             COUNT random programs; `mount` of one program sees what the one before left in the store
 *
 * With -DLPS_LIBFUZZER it is a libFuzzer target instead: the first byte chooses. A broken rule aborts with one line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lps_core.h"

enum { BLOCKS = 10, MESSAGE_MAX = 300, MESSAGES_MAX = 256, PROGRAM_MAX = 400 };

static void require(bool holds, const char *rule) {
    if (!holds) {
        fprintf(stderr, "broken: %s\n", rule);
        abort();
    }
}

/* ---- decoders: what they accept encodes back to the same bytes */

static void decode(const uint8_t *data, size_t length) {
    uint8_t again[LPS_FRAME_MAX_B];
    lps_frame frame;
    lps_mini mini;
    lps_request request;
    /* An allocation of exactly this size, so that reading past the end is seen. */
    uint8_t *exact = malloc(length > 0 ? length : 1);
    memcpy(exact, data, length);
    if (lps_frame_decode(exact, length, &frame) == LPS_ACCEPTED) {
        require(lps_frame_encode(&frame, again) == length && memcmp(again, data, length) == 0, "a frame encodes back");
    }
    if (lps_mini_decode(exact, length, &mini) == LPS_ACCEPTED) {
        require(lps_mini_encode(&mini, again) == length && memcmp(again, data, length) == 0, "a mini frame encodes back");
    }
    (void)lps_request_decode(exact, length, &request);
    free(exact);
}

/* ---- a board made of a program's bytes */

static struct {
    const uint8_t *program;
    size_t length;
    size_t at;
    uint64_t ticks;
    uint32_t link_room;
    uint32_t store_left; /* store calls until the power fails */
    bool store_fails;
    bool reboot;
    uint8_t store[BLOCKS][LPS_BLOCK_B];
} board;

static uint8_t next_byte(void) { return board.at < board.length ? board.program[board.at++] : 0; }
static uint32_t next_word(void) { return (uint32_t)next_byte() | (uint32_t)next_byte() << 8; }

static uint64_t hal_ticks(void *context) {
    (void)context;
    return board.ticks;
}

static uint32_t hal_random(void *context) {
    (void)context;
    return next_word() & 7u; /* few numbers, so that boots collide */
}

static bool link_takes(void) {
    if (board.link_room == 0) {
        return false;
    }
    board.link_room--;
    return true;
}

static bool hal_notify(void *context, lps_characteristic characteristic, const uint8_t *data, size_t length) {
    lps_frame frame;
    lps_mini mini;
    (void)context;
    if (characteristic == LPS_CHAR_STATUS) {
        require(length == LPS_STATUS_B, "Status is 20 bytes");
    } else if (length == LPS_MINI_B) {
        require(characteristic == LPS_CHAR_STREAM && lps_mini_decode(data, length, &mini) == LPS_ACCEPTED, "mini frames decode");
    } else {
        require(lps_frame_decode(data, length, &frame) == LPS_ACCEPTED, "frames sent decode");
        require(frame.kind == (characteristic == LPS_CHAR_STREAM ? LPS_LIVE : LPS_BACKFILL), "frames are what they are sent as");
    }
    return link_takes();
}

static bool hal_indicate(void *context, const uint8_t *data, size_t length) {
    (void)context;
    require(length >= 4 && length <= LPS_REPLY_MAX_B && (data[0] == 0x80 || data[0] == 0x81), "indications are replies or DONE");
    return link_takes();
}

/* Whether this store call still happens, and wholly. */
static bool powered(bool *torn) {
    *torn = board.store_left == 1;
    if (board.store_left == 0) {
        return false;
    }
    board.store_left--;
    return true;
}

static bool hal_read(void *context, uint32_t block, uint32_t offset, uint8_t *data, size_t length) {
    (void)context;
    require(block < BLOCKS && offset + length <= LPS_BLOCK_B, "reads stay in the store");
    memcpy(data, board.store[block] + offset, length);
    return true;
}

static bool hal_write(void *context, uint32_t block, uint32_t offset, const uint8_t *data, size_t length) {
    bool torn;
    (void)context;
    require(block < BLOCKS && offset % LPS_SLOT_B + length <= LPS_SLOT_B && offset < LPS_BLOCK_B, "a write stays in its slot");
    for (size_t k = 0; k < length; k++) {
        const uint8_t there = board.store[block][offset + k];
        require(there == 0xFF || board.store_left == 0 || board.store_fails, "only erased bytes are written");
    }
    if (board.store_fails && (board.ticks & 3u) == 0) {
        return false;
    }
    if (!powered(&torn)) {
        return true;
    }
    for (size_t k = 0; k < (torn ? length / 2 : length); k++) {
        board.store[block][offset + k] &= data[k];
    }
    return true;
}

static bool hal_erase(void *context, uint32_t block) {
    bool torn;
    (void)context;
    require(block < BLOCKS, "erases stay in the store");
    if (board.store_fails && (board.ticks & 7u) == 1) {
        return false;
    }
    if (powered(&torn)) {
        memset(board.store[block], 0xFF, torn ? LPS_BLOCK_B / 3 : LPS_BLOCK_B);
    }
    return true;
}

static bool hal_configure(void *context, const lps_config *config) {
    (void)context;
    require(config->decimation == 1, "the IMU is set to a full rate");
    return (next_byte() & 15u) != 15u;
}

static void hal_motor(void *context, uint8_t strength_pct, uint32_t on_ms) {
    (void)context;
    require(strength_pct <= 100 && on_ms <= 400, "a pulse is at most 400 ms");
}

static void hal_led(void *context, uint32_t on_ms) {
    (void)context;
    (void)on_ms;
}

static void hal_power(void *context, lps_power *power) {
    (void)context;
    *power = (lps_power){3700, 25, next_byte()};
}

static void hal_self_test(void *context, uint16_t *tested, uint16_t *failed) {
    (void)context;
    *tested = 15;
    *failed = 0;
}

static bool hal_set_connection(void *context, const lps_connection *connection) {
    (void)context;
    return connection->latency < 20;
}

static void hal_forget(void *context) { (void)context; }

static void hal_reboot(void *context) {
    (void)context;
    board.reboot = true;
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
    .led = hal_led,
    .power = hal_power,
    .self_test = hal_self_test,
    .set_connection = hal_set_connection,
    .forget_bonds = hal_forget,
    .reboot = hal_reboot,
};

static const lps_config CONFIGS[] = {
    {1, 1, 52000, 8196.75f, 57.125f, 4, 500},
    {2, 4, 13000, 8196.75f, 57.125f, 4, 500},
    {3, 1, 104000, 8196.75f, 28.5f, 4, 1000},
    {4, 4, 26000, 8196.75f, 28.5f, 4, 1000},
};

/* ---- programs */

static lps_core core;
static lps_block blocks[BLOCKS];

static void connect_link(void) {
    static const uint16_t MTUS[] = {23, 31, 185, 247, 517};
    lps_connected(&core);
    lps_mtu(&core, MTUS[next_byte() % 5]);
    lps_encrypted(&core, next_byte() != 0);
}

static void boot(void) {
    const lps_settings settings = {
        .device_id = {1, 2, 3, 4, 5, 6, 7, 8},
        .features = next_byte() & 7u ? 0x3Fu : 0u,
        .config_count = 4,
        .configs = CONFIGS,
        .blocks = blocks,
        .block_count = BLOCKS,
    };
    board.store_left = UINT32_MAX;
    board.reboot = false;
    while (!lps_init(&core, &HAL, &settings)) {
        require(board.at <= board.length, "init fails only when the IMU does");
    }
    if (next_byte() & 1u) {
        connect_link();
    }
}

static void push(uint32_t count) {
    for (uint32_t k = 0; k < count; k++) {
        const int16_t value = (int16_t)(core.next_index & 1023u);
        const int16_t sample[6] = {value, (int16_t)-value, 8192, value, 0, (int16_t)(value == 77 ? 32767 : 1)};
        board.ticks += 630;
        lps_samples(&core, sample, &board.ticks, 1);
    }
}

/* Arguments that are mostly allowed: small numbers, of this boot, in range. */
static void tame(uint8_t op, uint8_t *args) {
    switch (op) {
    case LPS_OP_START:
        args[0] %= 6;
        break;
    case LPS_OP_SET_EPOCH:
        memset(args + 10, 0, 6);
        break;
    case LPS_OP_GYRO_CAL:
        args[0] %= 4;
        break;
    case LPS_OP_HAPTIC:
        args[0] %= 6, args[1] %= 101, args[2] %= 5;
        break;
    case LPS_OP_BACKFILL:
        args[0] = (uint8_t)(core.ring.boot & 0xFFu), args[1] = (uint8_t)(core.ring.boot >> 8);
        args[3] &= 1, args[4] = args[5] = args[8] = args[9] = 0;
        break;
    case LPS_OP_SET_CONN:
        args[0] = 12, args[1] = 0, args[2] = 40, args[3] = 0, args[4] %= 32, args[5] = 0, args[6] = 0, args[7] = 1;
        break;
    case LPS_OP_LOCAL_ALERT:
        args[0] %= 82, args[1] = (uint8_t)(args[1] % 4 + 1), args[2] = 0;
        break;
    default:
        args[0] %= 4;
    }
}

static void write_control(void) {
    static const uint8_t ARGUMENTS[LPS_OP_END] = {0, 0, 1, 0, 8, 16, 1, 3, 10, 0, 8, 0, 0, 9, 0, 0, 1};
    uint8_t data[18] = {0};
    const uint8_t drawn = next_byte() % (LPS_OP_END + 3); /* 17 is no op */
    const uint8_t op = drawn > LPS_OP_END ? LPS_OP_BACKFILL : drawn;
    const size_t arguments = op < LPS_OP_END ? ARGUMENTS[op] : 0;
    const uint8_t wild = next_byte() % 8;
    data[0] = op;
    for (size_t k = 1; k < 2 + arguments; k++) {
        data[k] = next_byte();
    }
    if (wild > 0 && arguments > 0) {
        tame(op, data + 2);
    }
    (void)lps_control_write(&core, data, wild == 1 ? next_byte() % sizeof data : 2 + arguments);
}

static void step(void) {
    switch (next_byte() % 16) {
    case 0:
    case 1:
    case 2:
        push(next_byte());
        break;
    case 3:
        push(next_byte() % 4 == 0 ? 1216 : 300);
        break;
    case 4:
        lps_lost(&core, next_byte() % 40u);
        break;
    case 5:
        connect_link();
        break;
    case 6:
        lps_disconnected(&core);
        break;
    case 7:
    case 8:
    case 9:
        write_control();
        break;
    case 10:
    case 11:
        board.link_room = next_byte();
        for (int k = 0; k < 4; k++) {
            lps_poll(&core);
            lps_confirmed(&core);
            board.ticks += LPS_TICK_HZ / 4;
        }
        break;
    case 12:
        board.ticks += (uint64_t)next_word() * 256u;
        lps_condition(&core, next_byte() & 1u, next_byte() & 1u);
        break;
    case 13:
        lps_button(&core);
        break;
    case 14: /* the power fails within the next store calls */
        board.store_left = next_byte() % 100u;
        push(next_byte() * 4u);
        boot();
        break;
    default:
        if (next_byte() % 8 == 0) { /* a bit of the store turns: frames are lost, never wrong */
            board.store_fails = true; /* from here on erased bytes may be written over */
            board.store[next_byte() % BLOCKS][next_word() % LPS_BLOCK_B] ^= (uint8_t)(1u << (next_byte() % 8));
        } else {
            lps_ring_flush(&core.ring);
            boot();
        }
    }
    if (board.reboot) {
        boot();
    }
}

static void play(const uint8_t *program, size_t length) {
    uint8_t value[LPS_INFO_MAX_B];
    board.program = program;
    board.length = length;
    board.at = 0;
    board.link_room = 0;
    board.store_fails = false;
    if (next_byte() % 4 == 0) {
        memset(board.store, 0xFF, sizeof board.store);
    }
    boot();
    while (board.at < board.length) {
        step();
        require(lps_read_status(&core, value) == LPS_STATUS_B, "Status is 20 bytes");
    }
    require(lps_advertisement_encode(core.settings.device_id, value) == LPS_ADVERTISEMENT_B, "the advertisement is full");
    require(lps_read_info(&core, value) == 98, "Info is 26 bytes and 18 for each configuration");
}

/* ---- drivers */

#ifdef LPS_LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 0 && data[0] & 1u) {
        memset(board.store, 0xFF, sizeof board.store);
        play(data + 1, size - 1);
    } else if (size > 0) {
        decode(data + 1, size - 1);
    }
    return 0;
}
#else

static uint64_t random_state;

/* xorshift64* (Vigna 2016): the same inputs on every machine. */
static uint32_t draw(uint32_t below) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545F4914F6CDD1DULL) >> 33) % below;
}

typedef struct {
    size_t length;
    uint8_t data[MESSAGE_MAX];
} message;

static message messages[MESSAGES_MAX];

static size_t read_messages(void) {
    char line[2 * MESSAGE_MAX + 2];
    size_t count = 0;
    while (count < MESSAGES_MAX && fgets(line, sizeof line, stdin) != NULL) {
        message *into = &messages[count++];
        unsigned byte;
        for (into->length = 0; sscanf(line + 2 * into->length, "%2x", &byte) == 1; into->length++) {
            into->data[into->length] = (uint8_t)byte;
        }
    }
    return count;
}

static size_t mutate(uint8_t *data, size_t length) {
    for (uint32_t changes = draw(4); changes > 0 && length > 0; changes--) {
        data[draw((uint32_t)length)] = (uint8_t)draw(256);
    }
    switch (draw(8)) {
    case 0:
        return draw((uint32_t)length + 1);
    case 1:
        data[length] = (uint8_t)draw(256);
        return length + 1;
    case 2: /* so that damage gets past the check sum */
        if (length > 2) {
            const uint16_t crc = lps_crc16(data, length - 2);
            data[length - 2] = (uint8_t)(crc & 0xFFu);
            data[length - 1] = (uint8_t)(crc >> 8);
        }
        return length;
    default:
        return length;
    }
}

static void decode_many(uint32_t count) {
    const size_t known = read_messages();
    require(known > 0, "messages are given on standard input");
    for (uint32_t k = 0; k < count; k++) {
        uint8_t data[MESSAGE_MAX + 1];
        size_t length;
        if (k % 4 == 0) {
            length = draw(MESSAGE_MAX);
            for (size_t place = 0; place < length; place++) {
                data[place] = (uint8_t)draw(256);
            }
        } else {
            const message *from = &messages[draw((uint32_t)known)];
            memcpy(data, from->data, from->length);
            length = mutate(data, from->length);
        }
        decode(data, length);
    }
}

static void play_many(uint32_t count) {
    for (uint32_t k = 0; k < count; k++) {
        uint8_t program[PROGRAM_MAX];
        const size_t length = draw(PROGRAM_MAX);
        for (size_t place = 0; place < length; place++) {
            program[place] = (uint8_t)draw(256);
        }
        play(program, length);
    }
}

int main(int count, char **words) {
    if (count != 4) {
        fprintf(stderr, "usage: play decode|program COUNT SEED\n");
        return 2;
    }
    random_state = strtoull(words[3], NULL, 10) * 2u + 1u;
    memset(board.store, 0xFF, sizeof board.store);
    const uint32_t inputs = (uint32_t)strtoul(words[2], NULL, 10);
    if (strcmp(words[1], "decode") == 0) {
        decode_many(inputs);
    } else {
        play_many(inputs);
    }
    printf("%u inputs\n", (unsigned)inputs);
    return 0;
}
#endif
