/* Flash, motor, LED, button and battery of the board. Not built in CI. */
#include "port.h"

#include <string.h>
#include <zephyr/drivers/adc.h>
#include <zephyr/drivers/flash.h>
#include <zephyr/drivers/gpio.h>
#include <zephyr/drivers/pwm.h>
#include <zephyr/kernel.h>

#define USER DT_PATH(zephyr_user)

static const struct device *const FLASH = DEVICE_DT_GET(DT_NODELABEL(p25q16h));
static const struct pwm_dt_spec MOTOR = PWM_DT_SPEC_GET(USER);
static const struct gpio_dt_spec LED = GPIO_DT_SPEC_GET(USER, led_gpios);
static const struct gpio_dt_spec BUTTON = GPIO_DT_SPEC_GET(USER, button_gpios);
static const struct gpio_dt_spec DIVIDER = GPIO_DT_SPEC_GET(USER, battery_gpios);
static const struct gpio_dt_spec CHARGING = GPIO_DT_SPEC_GET(USER, charging_gpios);
static const struct adc_dt_spec BATTERY = ADC_DT_SPEC_GET(USER);

static bool at(uint32_t block, uint32_t offset, off_t *place) {
    *place = (off_t)block * LPS_BLOCK_B + (off_t)offset;
    return block < STORE_BLOCKS;
}

bool store_read(void *context, uint32_t block, uint32_t offset, uint8_t *data, size_t length) {
    off_t place;
    ARG_UNUSED(context);
    return at(block, offset, &place) && flash_read(FLASH, place, data, length) == 0;
}

/* The driver writes words from RAM: copied into an aligned buffer, filled up with 0xFF, which changes nothing. */
bool store_write(void *context, uint32_t block, uint32_t offset, const uint8_t *data, size_t length) {
    static uint8_t words[LPS_SLOT_B] __aligned(4);
    off_t place;
    ARG_UNUSED(context);
    if (!at(block, offset, &place) || length > sizeof words || offset % 4 != 0) {
        return false;
    }
    memset(words, 0xFF, sizeof words);
    memcpy(words, data, length);
    return flash_write(FLASH, place, words, ROUND_UP(length, 4)) == 0;
}

bool store_erase(void *context, uint32_t block) {
    off_t place;
    ARG_UNUSED(context);
    return at(block, 0, &place) && flash_erase(FLASH, place, LPS_BLOCK_B) == 0;
}

/* Timers of the kernel end what the core begins, whatever becomes of the loop. */
static void motor_off(struct k_timer *timer) {
    ARG_UNUSED(timer);
    (void)pwm_set_pulse_dt(&MOTOR, 0);
}

static void led_off(struct k_timer *timer) {
    ARG_UNUSED(timer);
    (void)gpio_pin_set_dt(&LED, 0);
}

K_TIMER_DEFINE(motor_timer, motor_off, NULL);
K_TIMER_DEFINE(led_timer, led_off, NULL);

void motor(void *context, uint8_t strength_pct, uint32_t on_ms) {
    ARG_UNUSED(context);
    if (on_ms == 0) {
        motor_off(NULL);
        return;
    }
    k_timer_start(&motor_timer, K_MSEC(on_ms), K_NO_WAIT);
    /* A 3 V motor on a cell of up to 4.2 V: all of it is three quarters of the time. */
    (void)pwm_set_pulse_dt(&MOTOR, MOTOR.period / 400u * 3u * strength_pct);
}

void led(void *context, uint32_t on_ms) {
    ARG_UNUSED(context);
    (void)gpio_pin_set_dt(&LED, 1);
    k_timer_start(&led_timer, K_MSEC(on_ms), K_NO_WAIT);
}

static bool battery_mv(int32_t *millivolts) {
    int16_t raw = 0;
    struct adc_sequence sequence = {.buffer = &raw, .buffer_size = sizeof raw};
    (void)gpio_pin_set_dt(&DIVIDER, 1);
    k_busy_wait(100);
    bool read = adc_sequence_init_dt(&BATTERY, &sequence) == 0 && adc_read_dt(&BATTERY, &sequence) == 0;
    (void)gpio_pin_set_dt(&DIVIDER, 0);
    *millivolts = raw;
    read = read && adc_raw_to_millivolts_dt(&BATTERY, millivolts) == 0;
    *millivolts = *millivolts * 1510 / 510; /* the divider: 1 Mohm over 510 kohm */
    return read;
}

/* Rough: resting voltage of a LiPo cell, percent for each 50 mV from 3.5 V. */
static uint8_t charge_pct(int32_t millivolts) {
    static const uint8_t PERCENT[] = {5, 8, 12, 20, 32, 45, 55, 62, 68, 75, 82, 88, 94, 100};
    const int32_t step = (millivolts - 3500) / 50;
    return millivolts < 3500 ? 0 : PERCENT[step < (int32_t)sizeof PERCENT ? step : (int32_t)sizeof PERCENT - 1];
}

void power(void *context, lps_power *power) {
    int32_t millivolts;
    ARG_UNUSED(context);
    *power = (lps_power){0, -128, 255};
    if (battery_mv(&millivolts)) {
        power->battery_mv = (uint16_t)millivolts;
        power->charge = (uint8_t)(charge_pct(millivolts) | (gpio_pin_get_dt(&CHARGING) == 1 ? 128 : 0));
    }
}

uint16_t board_self_test(void) {
    uint8_t byte;
    int32_t millivolts;
    return (uint16_t)((flash_read(FLASH, 0, &byte, 1) == 0 ? 0 : 2) | (battery_mv(&millivolts) ? 0 : 8));
}

bool button_was_pressed(void) {
    static bool before;
    const bool pressed = gpio_pin_get_dt(&BUTTON) == 1;
    const bool edge = pressed && !before; /* polled each 20 ms, which is longer than it bounces */
    before = pressed;
    return edge;
}

bool board_init(void) {
    return device_is_ready(FLASH) && pwm_is_ready_dt(&MOTOR) && adc_channel_setup_dt(&BATTERY) == 0 &&
           gpio_pin_configure_dt(&LED, GPIO_OUTPUT_INACTIVE) == 0 && gpio_pin_configure_dt(&BUTTON, GPIO_INPUT) == 0 &&
           gpio_pin_configure_dt(&DIVIDER, GPIO_OUTPUT_INACTIVE) == 0 && gpio_pin_configure_dt(&CHARGING, GPIO_INPUT) == 0;
}
