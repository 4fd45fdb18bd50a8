/* LSM6DS3TR-C: FIFO of gyroscope and accelerometer, dated by the interrupt at its watermark. Not built in CI.
 * Registers and values: ST, data sheet LSM6DS3TR-C, sections 8 and 9. */
#include "port.h"

#include <zephyr/drivers/gpio.h>
#include <zephyr/drivers/i2c.h>
#include <zephyr/kernel.h>

enum {
    ADDRESS = 0x6A,
    FIFO_CTRL1 = 0x06,
    FIFO_CTRL3 = 0x08,
    FIFO_CTRL5 = 0x0A,
    INT1_CTRL = 0x0D,
    WHO_AM_I = 0x0F,
    CTRL1_XL = 0x10,
    CTRL2_G = 0x11,
    CTRL3_C = 0x12,
    FIFO_STATUS1 = 0x3A,
    FIFO_DATA_OUT = 0x3E,
    OVER_RUN = 0x40,
    WORDS = 6, /* of 16 bits in a sample: gyroscope first, then accelerometer */
    WATERMARK = 5
};

static const struct device *const BUS = DEVICE_DT_GET(DT_BUS(DT_NODELABEL(lsm6ds3tr_c)));
static const struct gpio_dt_spec POWER = GPIO_DT_SPEC_GET(DT_PATH(zephyr_user), imu_power_gpios);
static const struct gpio_dt_spec INTERRUPT = GPIO_DT_SPEC_GET(DT_PATH(zephyr_user), imu_int_gpios);

static struct gpio_callback on_interrupt;
static volatile int64_t mark_ticks;  /* when the WATERMARK-th sample after the last drain came; 0: not yet */
static uint64_t last_ticks;          /* of the newest sample given to the core */
static uint32_t period_q8 = 161319;  /* ticks between samples x 256: 52 Hz, then as measured */

static bool write_register(uint8_t place, uint8_t value) { return i2c_reg_write_byte(BUS, ADDRESS, place, value) == 0; }

static void at_watermark(const struct device *port, struct gpio_callback *callback, gpio_port_pins_t pins) {
    ARG_UNUSED(port);
    ARG_UNUSED(callback);
    ARG_UNUSED(pins);
    if (mark_ticks == 0) {
        mark_ticks = k_uptime_ticks();
    }
}

bool imu_present(void) {
    uint8_t id = 0;
    return i2c_reg_read_byte(BUS, ADDRESS, WHO_AM_I, &id) == 0 && id == 0x6A;
}

bool imu_init(void) {
    if (gpio_pin_configure_dt(&POWER, GPIO_OUTPUT_ACTIVE) != 0) {
        return false;
    }
    k_sleep(K_MSEC(20)); /* boot time of the part is 15 ms */
    gpio_init_callback(&on_interrupt, at_watermark, BIT(INTERRUPT.pin));
    return imu_present() && gpio_pin_configure_dt(&INTERRUPT, GPIO_INPUT) == 0 &&
           gpio_add_callback(INTERRUPT.port, &on_interrupt) == 0 &&
           gpio_pin_interrupt_configure_dt(&INTERRUPT, GPIO_INT_EDGE_TO_ACTIVE) == 0;
}

bool imu_configure(void *context, const lps_config *config) {
    ARG_UNUSED(context);
    const bool fast = config->rate_mhz == 104000;
    period_q8 = (uint32_t)((uint64_t)LPS_TICK_HZ * 256u * 1000u / config->rate_mhz);
    mark_ticks = 0;
    return write_register(FIFO_CTRL5, 0) &&                    /* bypass: empties the FIFO */
           write_register(CTRL3_C, 0x44) &&                    /* whole samples only, addresses count up */
           write_register(CTRL1_XL, fast ? 0x48 : 0x38) &&     /* rate, +-4 g */
           write_register(CTRL2_G, fast ? 0x48 : 0x34) &&      /* rate, +-1000 or +-500 deg/s */
           write_register(FIFO_CTRL1, WATERMARK * WORDS) && write_register(FIFO_CTRL3, 0x09) && /* both parts, each sample */
           write_register(INT1_CTRL, 0x08) &&                  /* watermark */
           write_register(FIFO_CTRL5, fast ? 0x26 : 0x1E);     /* rate, continuous */
}

/* The date of sample k of this drain: evenly back and forth from the one that raised the interrupt. */
static uint64_t date(uint64_t mark, uint32_t k) {
    const int64_t steps = (int64_t)k - (WATERMARK - 1);
    const uint64_t ticks = (uint64_t)((int64_t)mark + steps * (int64_t)period_q8 / 256);
    return ticks > last_ticks ? ticks : last_ticks + 1;
}

/* Follows the part's own clock, which may be off by per cents. */
static void measure_period(uint64_t mark, uint32_t samples) {
    static uint64_t last_mark;
    static uint32_t since;
    if (last_mark != 0 && since > 0 && mark > last_mark) {
        const uint32_t measured = (uint32_t)((mark - last_mark) * 256u / since);
        if (measured > period_q8 - period_q8 / 10 && measured < period_q8 + period_q8 / 10) {
            period_q8 = (uint32_t)((int32_t)period_q8 + ((int32_t)measured - (int32_t)period_q8) / 32);
        }
    }
    last_mark = mark;
    since = samples;
}

void imu_drain(lps_core *core) {
    uint8_t status[2];
    if (i2c_burst_read(BUS, ADDRESS, FIFO_STATUS1, status, sizeof status) != 0 || mark_ticks == 0) {
        return;
    }
    const uint64_t mark = (uint64_t)mark_ticks;
    const uint32_t samples = (status[0] | (uint32_t)(status[1] & 7u) << 8) / WORDS;
    if (status[1] & OVER_RUN) { /* how many were lost follows from the time since the newest one */
        const uint64_t passed = ((uint64_t)k_uptime_ticks() - last_ticks) * 256u / period_q8;
        lps_lost(core, passed > samples ? (uint32_t)(passed - samples) : 1);
    }
    for (uint32_t k = 0; k < samples; k++) {
        uint8_t raw[2 * WORDS];
        int16_t sample[WORDS];
        if (i2c_burst_read(BUS, ADDRESS, FIFO_DATA_OUT, raw, sizeof raw) != 0) {
            lps_lost(core, samples - k);
            break;
        }
        for (int word = 0; word < WORDS; word++) {
            sample[(word + 3) % WORDS] = (int16_t)(raw[2 * word] | raw[2 * word + 1] << 8);
        }
        last_ticks = date(mark, k);
        lps_sample(core, sample, last_ticks);
    }
    measure_period(mark, samples);
    mark_ticks = 0;
}
