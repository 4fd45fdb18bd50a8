/* The sensor on a XIAO nRF52840 Sense: the HAL table and the loop. Not built in CI. */
#include "port.h"

#include <zephyr/drivers/hwinfo.h>
#include <zephyr/kernel.h>
#include <zephyr/random/random.h>
#include <zephyr/sys/reboot.h>

/* Counts per unit: LSM6DS3TR-C data sheet, table 3: 0.122 mg at +-4 g, 17.5 mdps at +-500 deg/s, 35 mdps at +-1000 deg/s. */
static const lps_config CONFIGS[] = {
    {1, 1, 52000, 8196.72f, 57.14286f, 4, 500},
    {2, 4, 13000, 8196.72f, 57.14286f, 4, 500},
    {3, 1, 104000, 8196.72f, 28.57143f, 4, 1000},
    {4, 4, 26000, 8196.72f, 28.57143f, 4, 1000},
};

static lps_core core;
static lps_block blocks[STORE_BLOCKS];
K_MUTEX_DEFINE(core_lock);

lps_core *core_take(void) {
    k_mutex_lock(&core_lock, K_FOREVER);
    return &core;
}

void core_give(void) { k_mutex_unlock(&core_lock); }

static uint64_t ticks(void *context) {
    ARG_UNUSED(context);
    return (uint64_t)k_uptime_ticks(); /* CONFIG_SYS_CLOCK_TICKS_PER_SEC is 32768 */
}

static uint32_t random_bits(void *context) {
    ARG_UNUSED(context);
    return sys_rand32_get();
}

static void self_test(void *context, uint16_t *tested, uint16_t *failed) {
    ARG_UNUSED(context);
    *tested = 1 | 2 | 8;
    *failed = (uint16_t)((imu_present() ? 0 : 1) | board_self_test());
}

static void reboot(void *context) {
    ARG_UNUSED(context);
    sys_reboot(SYS_REBOOT_COLD);
}

static const lps_hal HAL = {
    .ticks = ticks,
    .random = random_bits,
    .notify = link_notify,
    .indicate = link_indicate,
    .store_read = store_read,
    .store_write = store_write,
    .store_erase = store_erase,
    .configure = imu_configure,
    .motor = motor,
    .led = led,
    .power = power,
    .self_test = self_test,
    .set_connection = link_set_connection,
    .forget_bonds = link_forget_bonds,
    .reboot = reboot,
};

/* status.py's ResetReason. */
static uint8_t reset_reason(void) {
    uint32_t cause = 0;
    (void)hwinfo_get_reset_cause(&cause);
    (void)hwinfo_clear_reset_cause();
    if (cause & RESET_WATCHDOG) {
        return 3;
    }
    if (cause & RESET_CPU_LOCKUP) {
        return 4;
    }
    if (cause & RESET_BROWNOUT) {
        return 5;
    }
    if (cause & RESET_SOFTWARE) {
        return 2;
    }
    return cause & RESET_PIN ? 6 : 1;
}

int main(void) {
    lps_settings settings = {
        .features = LPS_FEATURE_FLASH_RING | LPS_FEATURE_HAPTIC | LPS_FEATURE_LED | LPS_FEATURE_BUTTON |
                    LPS_FEATURE_LOCAL_ALERT | LPS_FEATURE_BATTERY_GAUGE,
        .imu = 2,
        .reset_reason = reset_reason(),
        .config_count = ARRAY_SIZE(CONFIGS),
        .configs = CONFIGS,
        .blocks = blocks,
        .block_count = STORE_BLOCKS,
    };
    (void)hwinfo_get_device_id(settings.device_id, sizeof settings.device_id);
    if (!board_init() || !imu_init() || !lps_init(&core, &HAL, &settings) || !link_init(settings.device_id)) {
        led(NULL, 60000);
        return 1;
    }
    while (true) {
        lps_core *taken = core_take();
        if (button_was_pressed()) {
            lps_button(taken);
        }
        imu_drain(taken);
        lps_poll(taken);
        core_give();
        k_sleep(K_MSEC(20));
    }
}
