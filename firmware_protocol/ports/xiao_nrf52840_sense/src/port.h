/* The parts of the port, for src/main.c. Not built in CI. */
#ifndef PORT_H
#define PORT_H

#include "lps_core.h"

enum { STORE_BLOCKS = 512 };

/* The one core; every use of it is between these two. */
lps_core *core_take(void);
void core_give(void);

/* board.c */
bool board_init(void);
bool store_read(void *context, uint32_t block, uint32_t offset, uint8_t *data, size_t length);
bool store_write(void *context, uint32_t block, uint32_t offset, const uint8_t *data, size_t length);
bool store_erase(void *context, uint32_t block);
void motor(void *context, uint8_t strength_pct, uint32_t on_ms);
void led(void *context, uint32_t on_ms);
void power(void *context, lps_power *power);
uint16_t board_self_test(void);
bool button_was_pressed(void);

/* imu.c */
bool imu_init(void);
bool imu_configure(void *context, const lps_config *config);
bool imu_present(void);
/* Gives all that the FIFO holds to the core. */
void imu_drain(lps_core *core);

/* link.c */
bool link_init(const uint8_t *device_id);
bool link_notify(void *context, lps_characteristic characteristic, const uint8_t *data, size_t length);
bool link_indicate(void *context, const uint8_t *data, size_t length);
bool link_set_connection(void *context, const lps_connection *connection);
void link_forget_bonds(void *context);

#endif
